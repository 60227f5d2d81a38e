//! Categories: a tree.

use flotilla_kit::database::{Pool, Transaction};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Error, violates};
use crate::domain::{CategoryInput, Faults, MAX_DEPTH};

/// What sets the lock of the tree apart from others of the same database.
const TREE: i64 = 0x464C_4F54_5452_4545;

/// A category as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its id.
    pub id: Uuid,
    /// How often it has changed.
    pub version: i32,
    /// What was written down.
    pub input: CategoryInput,
}

/// All of them, in the order of their positions and names.
pub async fn all(pool: &Pool) -> Result<Vec<Stored>, sqlx::Error> {
    let rows = sqlx::query!(
        "select id, parent_id, slug, name, position, version from product.categories order by position, name, id"
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Stored {
            id: row.id,
            version: row.version,
            input: CategoryInput {
                slug: row.slug,
                name: row.name,
                parent: row.parent_id,
                position: row.position,
            },
        })
        .collect())
}

/// One of them.
pub async fn load(connection: &mut PgConnection, id: Uuid) -> Result<Option<Stored>, sqlx::Error> {
    let row = sqlx::query!(
        "select parent_id, slug, name, position, version from product.categories where id = $1",
        id
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| Stored {
        id,
        version: row.version,
        input: CategoryInput {
            slug: row.slug,
            name: row.name,
            parent: row.parent_id,
            position: row.position,
        },
    }))
}

/// The tree, which nobody else changes until this is at its end.
#[derive(Debug)]
pub struct Tree<'a>(Transaction<'a>);

/// Begins to change the tree.
pub async fn change(pool: &Pool) -> Result<Tree<'static>, Error> {
    let mut transaction = pool.begin().await?;
    // Two moves that are each harmless could make a circle together.
    sqlx::query!("select pg_advisory_xact_lock($1)", TREE).fetch_one(&mut *transaction).await?;
    Ok(Tree(transaction))
}

impl Tree<'_> {
    /// One of the categories.
    pub async fn load(&mut self, id: Uuid) -> Result<Stored, Error> {
        load(&mut self.0, id).await?.ok_or(Error::NotFound("category"))
    }

    /// Makes a category.
    pub async fn create(mut self, input: CategoryInput) -> Result<Stored, Error> {
        let id = Uuid::now_v7();
        sqlx::query!(
            "insert into product.categories (id, parent_id, slug, name, position) values ($1, $2, $3, $4, $5)",
            id,
            self.parent(&input).await?,
            input.slug,
            input.name,
            input.position,
        )
        .execute(&mut *self.0)
        .await
        .map_err(slug_taken)?;
        self.check(id).await?;
        self.0.commit().await?;
        Ok(Stored { id, version: 1, input })
    }

    /// Writes a category as this.
    pub async fn save(mut self, id: Uuid, input: CategoryInput) -> Result<Stored, Error> {
        let version = sqlx::query_scalar!(
            "update product.categories
             set parent_id = $2, slug = $3, name = $4, position = $5, version = version + 1, updated_at = now()
             where id = $1 returning version",
            id,
            self.parent(&input).await?,
            input.slug,
            input.name,
            input.position,
        )
        .fetch_optional(&mut *self.0)
        .await
        .map_err(slug_taken)?
        .ok_or(Error::NotFound("category"))?;
        self.check(id).await?;
        self.0.commit().await?;
        Ok(Stored { id, version, input })
    }

    /// Takes a category away. Nothing may be in it.
    pub async fn delete(mut self, id: Uuid) -> Result<(), Error> {
        sqlx::query!(
            "delete from product.product_categories link using product.products product
             where link.category_id = $1 and product.id = link.product_id and product.deleted_at is not null",
            id
        )
        .execute(&mut *self.0)
        .await?;
        let deleted = sqlx::query!("delete from product.categories where id = $1", id)
            .execute(&mut *self.0)
            .await
            .map_err(|error| {
                let is_used = ["categories_parent_id_fkey", "product_categories_category_id_fkey"];
                if is_used.iter().any(|constraint| violates(&error, constraint)) {
                    let detail = "categories or products are in it; move them first";
                    return Error::Conflict(Faults::one("", detail));
                }
                error.into()
            })?;
        if deleted.rows_affected() == 0 {
            return Err(Error::NotFound("category"));
        }
        self.0.commit().await?;
        Ok(())
    }

    /// The parent that a category is to have, when there is one.
    async fn parent(&mut self, input: &CategoryInput) -> Result<Option<Uuid>, Error> {
        if let Some(parent) = input.parent
            && load(&mut self.0, parent).await?.is_none()
        {
            return Err(Error::Invalid(Faults::one("/parent", "there is no such category")));
        }
        Ok(input.parent)
    }

    /// That there is a way to the top from a category and all below it, and that it is not too long.
    async fn check(&mut self, id: Uuid) -> Result<(), Error> {
        let above = sqlx::query_scalar!(
            r#"with recursive above (id, depth) as (
                   select parent_id, 1 from product.categories where id = $1
                   union all
                   select parent_id, depth + 1 from above join product.categories using (id) where depth <= $2
               )
               select max(depth) as "depth!" from above"#,
            id,
            MAX_DEPTH,
        )
        .fetch_one(&mut *self.0)
        .await?;
        if above > MAX_DEPTH {
            let detail =
                format_args!("a category is not in itself, and at most {MAX_DEPTH} are above each other");
            return Err(Error::Invalid(Faults::one("/parent", detail)));
        }
        let below = sqlx::query_scalar!(
            r#"with recursive below (id, depth) as (
                   select $1::uuid, 0
                   union all
                   select category.id, depth + 1 from below join product.categories category on category.parent_id = below.id
                   where depth <= $2
               )
               select max(depth) as "depth!" from below"#,
            id,
            MAX_DEPTH,
        )
        .fetch_one(&mut *self.0)
        .await?;
        if above + below > MAX_DEPTH {
            let detail = format_args!("with what is in it, more than {MAX_DEPTH} would be above each other");
            return Err(Error::Invalid(Faults::one("/parent", detail)));
        }
        Ok(())
    }
}

fn slug_taken(error: sqlx::Error) -> Error {
    if violates(&error, "categories_slug_key") {
        return Error::Conflict(Faults::one("/slug", "another category has this slug"));
    }
    error.into()
}
