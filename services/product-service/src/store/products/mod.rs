//! Products with their variants, prices and categories: read and written as one.

mod parts;

use std::collections::{BTreeMap, HashMap};

use flotilla_kit::database::{Pool, Transaction, of_ten};
use jiff_sqlx::Timestamp;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::{Error, violates};
use crate::{
    domain::{Faults, Image, Price, Product, ProductInput, Status, VariantInput},
    events::{self, Happened, PriceChanged, ProductChanged},
};

/// A product as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Its id.
    pub id: Uuid,
    /// How often it has changed.
    pub version: i32,
    /// Since when it is there.
    pub created_at: jiff::Timestamp,
    /// When it was changed last.
    pub updated_at: jiff::Timestamp,
    /// What was written down.
    pub input: ProductInput,
}

impl Stored {
    fn changed(&self) -> ProductChanged {
        ProductChanged {
            product_id: self.id,
            slug: self.input.slug.clone(),
            name: self.input.name.clone(),
            status: self.input.status.as_str().to_owned(),
            version: self.version,
            skus: self.input.variants.iter().map(|variant| variant.sku.clone()).collect(),
        }
    }
}

struct Row {
    id: Uuid,
    slug: String,
    name: String,
    description: String,
    status: String,
    version: i32,
    attributes: Json<BTreeMap<String, String>>,
    images: Json<Vec<Image>>,
    created_at: Timestamp,
    updated_at: Timestamp,
    categories: Vec<Uuid>,
    variants: Json<Vec<VariantInput>>,
}

impl From<Row> for Stored {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            version: row.version,
            created_at: row.created_at.to_jiff(),
            updated_at: row.updated_at.to_jiff(),
            input: ProductInput {
                slug: row.slug,
                name: row.name,
                description: row.description,
                // The table has a check of its own for it.
                status: Status::parse(&row.status).unwrap_or_default(),
                attributes: row.attributes.0,
                images: row.images.0,
                categories: row.categories,
                variants: row.variants.0,
            },
        }
    }
}

macro_rules! products {
    ($which:literal, $parameter:expr) => {
        sqlx::query_as!(
            Row,
            r#"select id, slug, name, description, status, version, attributes as "attributes: _", images as "images: _",
                   created_at as "created_at: _", updated_at as "updated_at: _",
                   array(select category_id from product.product_categories where product_id = products.id order by 1)
                       as "categories!",
                   (select coalesce(jsonb_agg(jsonb_build_object(
                           'sku', sku, 'name', name, 'attributes', attributes, 'low_at', low_at,
                           'prices', (select coalesce(jsonb_agg(jsonb_build_object('currency', currency, 'minor', minor)
                                   order by currency), '[]')
                               from product.prices where prices.sku = variants.sku)
                       ) order by position, sku), '[]')
                    from product.variants where product_id = products.id and deleted_at is null)
                       as "variants!: _"
               from product.products where deleted_at is null and "# + $which,
            $parameter
        )
    };
}

/// A product by its id.
pub async fn load(connection: &mut PgConnection, id: Uuid) -> Result<Option<Stored>, sqlx::Error> {
    Ok(products!("id = $1", id).fetch_optional(connection).await?.map(Stored::from))
}

/// Those of these products that there are, by their ids.
pub async fn batch(
    connection: &mut PgConnection,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Stored>, sqlx::Error> {
    let found: Vec<_> = if let [id] = ids {
        load(connection, *id).await?.into_iter().collect()
    } else {
        let rows = products!("id = any ($1)", &of_ten(ids)).fetch_all(connection).await?;
        rows.into_iter().map(Stored::from).collect()
    };
    Ok(found.into_iter().map(|stored| (stored.id, stored)).collect())
}

/// The products of variants that are not gone, with their SKUs.
pub async fn of_skus(pool: &Pool, skus: &[String]) -> Result<Vec<(String, Uuid)>, sqlx::Error> {
    let rows = sqlx::query!(
        "select sku, product_id from product.variants where sku = any ($1) and deleted_at is null",
        &of_ten(skus)
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.sku, row.product_id)).collect())
}

/// Makes a product, in a transaction of somebody's.
pub async fn create(
    transaction: &mut Transaction<'_>,
    product: &Product,
    actor: &str,
) -> Result<Stored, Error> {
    let id = Uuid::now_v7();
    let row = sqlx::query!(
        r#"insert into product.products (id, slug, name, description, status, attributes, images)
           values ($1, $2, $3, $4, $5, $6, $7)
           returning version, created_at as "created_at: Timestamp""#,
        id,
        product.slug,
        product.name,
        product.description,
        product.status.as_str(),
        Json(&product.attributes) as _,
        Json(&product.images) as _,
    )
    .fetch_one(&mut **transaction)
    .await
    .map_err(slug_taken)?;
    let stored = Stored {
        id,
        version: row.version,
        created_at: row.created_at.to_jiff(),
        updated_at: row.created_at.to_jiff(),
        input: ProductInput { variants: told(&product.variants), ..ProductInput::clone(product) },
    };
    let mut happened = parts::write(transaction, id, product, actor).await?;
    happened.push(Happened::ProductCreated(stored.changed()));
    events::write(transaction, happened).await?;
    Ok(stored)
}

/// A product that nobody else changes until this is at its end.
#[derive(Debug)]
pub struct Change<'a> {
    transaction: Transaction<'a>,
    /// As it is.
    pub current: Stored,
}

/// Begins to change a product.
pub async fn change(pool: &Pool, id: Uuid) -> Result<Change<'static>, Error> {
    let mut transaction = pool.begin().await?;
    lock(&mut transaction, id).await?;
    let current = load(&mut transaction, id).await?.ok_or(Error::NotFound("product"))?;
    Ok(Change { transaction, current })
}

async fn lock(transaction: &mut Transaction<'_>, id: Uuid) -> Result<(), Error> {
    sqlx::query!("select id from product.products where id = $1 and deleted_at is null for update", id)
        .fetch_optional(&mut **transaction)
        .await?
        .map(|_locked| ())
        .ok_or(Error::NotFound("product"))
}

impl Change<'_> {
    /// Writes it as this.
    pub async fn save(mut self, product: &Product, actor: &str) -> Result<Stored, Error> {
        let stored = update(&mut self.transaction, &self.current, product, actor).await?;
        self.transaction.commit().await?;
        Ok(stored)
    }

    /// Takes it away. Its SKUs are not used again.
    pub async fn delete(mut self) -> Result<(), Error> {
        let id = self.current.id;
        self.current.version = sqlx::query_scalar!(
            "update product.products set deleted_at = now(), updated_at = now(), version = version + 1
             where id = $1 returning version",
            id
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        sqlx::query!(
            "update product.variants set deleted_at = now() where product_id = $1 and deleted_at is null",
            id
        )
        .execute(&mut *self.transaction)
        .await?;
        events::write(&mut self.transaction, [Happened::ProductDeleted(self.current.changed())]).await?;
        self.transaction.commit().await?;
        Ok(())
    }
}

/// Writes a product over another by its slug, or makes it, in a transaction of somebody's. True: it is new.
pub async fn put(transaction: &mut Transaction<'_>, product: &Product, actor: &str) -> Result<bool, Error> {
    // Whoever waits here for somebody who gives the product another slug does not find it any more.
    let known = sqlx::query_scalar!(
        "select id from product.products where slug = $1 and deleted_at is null for update",
        product.slug
    )
    .fetch_optional(&mut **transaction)
    .await?;
    let Some(id) = known else {
        create(transaction, product, actor).await?;
        return Ok(true);
    };
    let current = load(transaction, id).await?.ok_or(Error::NotFound("product"))?;
    update(transaction, &current, product, actor).await?;
    Ok(false)
}

async fn update(
    transaction: &mut Transaction<'_>,
    current: &Stored,
    product: &Product,
    actor: &str,
) -> Result<Stored, Error> {
    let id = current.id;
    let input = ProductInput { variants: told(&product.variants), ..ProductInput::clone(product) };
    if input == current.input {
        return Ok(current.clone());
    }
    let row = sqlx::query!(
        r#"update product.products
           set slug = $2, name = $3, description = $4, status = $5, attributes = $6, images = $7,
               version = version + 1, updated_at = now()
           where id = $1
           returning version, updated_at as "updated_at: Timestamp""#,
        id,
        product.slug,
        product.name,
        product.description,
        product.status.as_str(),
        Json(&product.attributes) as _,
        Json(&product.images) as _,
    )
    .fetch_one(&mut **transaction)
    .await
    .map_err(slug_taken)?;
    let stored =
        Stored { version: row.version, updated_at: row.updated_at.to_jiff(), input, ..current.clone() };
    let mut happened = parts::write(transaction, id, product, actor).await?;
    parts::check_levels(transaction, &current.input.variants, &product.variants).await?;
    happened.push(Happened::ProductUpdated(stored.changed()));
    happened.extend(price_changes(current, &stored).map(Happened::PriceChanged));
    events::write(transaction, happened).await?;
    Ok(stored)
}

/// Variants as they are told of: stock is told of elsewhere.
fn told(variants: &[VariantInput]) -> Vec<VariantInput> {
    variants.iter().map(|variant| VariantInput { stock: None, ..variant.clone() }).collect()
}

fn price_changes(before: &Stored, after: &Stored) -> impl Iterator<Item = PriceChanged> {
    let old: BTreeMap<_, _> =
        before.input.variants.iter().map(|variant| (variant.sku.clone(), variant.prices.clone())).collect();
    let id = after.id;
    after.input.variants.iter().filter_map(move |variant| {
        let old = old.get(&variant.sku).filter(|old| **old != variant.prices)?;
        let told = |prices: &[Price]| prices.iter().map(events::Price::from).collect();
        Some(PriceChanged {
            product_id: id,
            sku: variant.sku.clone(),
            before: told(old),
            after: told(&variant.prices),
        })
    })
}

fn slug_taken(error: sqlx::Error) -> Error {
    if violates(&error, "products_by_slug") {
        return Error::Conflict(Faults::one("/slug", "another product has this slug"));
    }
    error.into()
}
