//! Products with their variants, prices and categories: read and written as one.

use std::collections::BTreeMap;

use jiff_sqlx::Timestamp;
use sqlx::{PgConnection, PgPool, PgTransaction, types::Json};
use uuid::Uuid;

use super::{Error, violates};
use crate::{
    domain::{Faults, Image, Level, Price, Product, ProductInput, Status, VariantInput},
    events::{self, Happened, PriceChanged, ProductChanged, StockAdjusted},
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

/// A product by its id.
pub async fn load(connection: &mut PgConnection, id: Uuid) -> Result<Option<Stored>, sqlx::Error> {
    let row = sqlx::query!(
        r#"select slug, name, description, status, version,
               attributes as "attributes: Json<BTreeMap<String, String>>", images as "images: Json<Vec<Image>>",
               created_at as "created_at: Timestamp", updated_at as "updated_at: Timestamp",
               array(select category_id from product.product_categories where product_id = $1 order by 1)
                   as "categories!: Vec<Uuid>",
               (select coalesce(jsonb_agg(jsonb_build_object(
                       'sku', sku, 'name', name, 'attributes', attributes, 'low_at', low_at,
                       'prices', (select coalesce(jsonb_agg(jsonb_build_object('currency', currency, 'minor', minor)
                               order by currency), '[]')
                           from product.prices where prices.sku = variants.sku)
                   ) order by position, sku), '[]')
                from product.variants where product_id = $1 and deleted_at is null)
                   as "variants!: Json<Vec<VariantInput>>"
           from product.products where id = $1 and deleted_at is null"#,
        id
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| Stored {
        id,
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
    }))
}

/// The id of a product by its slug.
pub async fn by_slug(connection: &mut PgConnection, slug: &str) -> Result<Option<Uuid>, sqlx::Error> {
    sqlx::query_scalar!("select id from product.products where slug = $1 and deleted_at is null", slug)
        .fetch_optional(connection)
        .await
}

/// Makes a product, in a transaction of somebody's.
pub async fn create(
    transaction: &mut PgTransaction<'_>,
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
    let mut happened = write_parts(transaction, id, product, actor).await?;
    happened.push(Happened::ProductCreated(stored.changed()));
    events::write(transaction, happened).await?;
    Ok(stored)
}

/// A product that nobody else changes until this is at its end.
#[derive(Debug)]
pub struct Change<'a> {
    transaction: PgTransaction<'a>,
    /// As it is.
    pub current: Stored,
}

/// Begins to change a product.
pub async fn change(pool: &PgPool, id: Uuid) -> Result<Change<'static>, Error> {
    let mut transaction = pool.begin().await?;
    lock(&mut transaction, id).await?;
    let current = load(&mut transaction, id).await?.ok_or(Error::NotFound("product"))?;
    Ok(Change { transaction, current })
}

async fn lock(transaction: &mut PgTransaction<'_>, id: Uuid) -> Result<(), Error> {
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
pub async fn put(transaction: &mut PgTransaction<'_>, product: &Product, actor: &str) -> Result<bool, Error> {
    let Some(id) = by_slug(transaction, &product.slug).await? else {
        create(transaction, product, actor).await?;
        return Ok(true);
    };
    lock(transaction, id).await?;
    let current = load(transaction, id).await?.ok_or(Error::NotFound("product"))?;
    update(transaction, &current, product, actor).await?;
    Ok(false)
}

async fn update(
    transaction: &mut PgTransaction<'_>,
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
    let mut happened = write_parts(transaction, id, product, actor).await?;
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

/// Writes categories, variants, prices and the stock of new variants. Tells what happened to stock.
async fn write_parts(
    transaction: &mut PgTransaction<'_>,
    id: Uuid,
    product: &Product,
    actor: &str,
) -> Result<Vec<Happened>, Error> {
    write_categories(transaction, id, &product.categories).await?;
    let variants = Json(&product.variants);
    let skus: Vec<_> = product.variants.iter().map(|variant| variant.sku.clone()).collect();
    let written = sqlx::query!(
        r#"insert into product.variants as known (sku, product_id, name, attributes, position, low_at)
           select v ->> 'sku', $1, v ->> 'name', v -> 'attributes', n, (v ->> 'low_at')::bigint
           from jsonb_array_elements($2::jsonb) with ordinality as sent (v, n)
           order by (v ->> 'sku') collate "C"
           on conflict (sku) do update
               set name = excluded.name, attributes = excluded.attributes, position = excluded.position,
                   low_at = excluded.low_at, deleted_at = null
               where known.product_id = excluded.product_id"#,
        id,
        variants as _,
    )
    .execute(&mut **transaction)
    .await?;
    if usize::try_from(written.rows_affected()).ok() != Some(skus.len()) {
        return Err(skus_taken(transaction, id, &skus).await?);
    }
    sqlx::query!(
        "update product.variants set deleted_at = now()
         where product_id = $1 and deleted_at is null and sku <> all ($2)",
        id,
        &skus,
    )
    .execute(&mut **transaction)
    .await?;
    sqlx::query!(
        "delete from product.prices where sku in (select sku from product.variants where product_id = $1)",
        id
    )
    .execute(&mut **transaction)
    .await?;
    sqlx::query!(
        "insert into product.prices (sku, currency, minor)
         select v ->> 'sku', p ->> 'currency', (p ->> 'minor')::bigint
         from jsonb_array_elements($1::jsonb) v, jsonb_array_elements(v -> 'prices') p",
        Json(&product.variants) as _,
    )
    .execute(&mut **transaction)
    .await?;
    write_stock(transaction, product, &skus, actor).await
}

async fn write_categories(
    transaction: &mut PgTransaction<'_>,
    id: Uuid,
    categories: &[Uuid],
) -> Result<(), Error> {
    let known = sqlx::query_scalar!(
        "select id from product.categories where id = any ($1) order by id for key share",
        categories
    )
    .fetch_all(&mut **transaction)
    .await?;
    let mut faults = Faults::default();
    for (index, category) in categories.iter().enumerate() {
        if !known.contains(category) {
            faults.add(format!("/categories/{index}"), "there is no such category");
        }
    }
    faults.into_result().map_err(Error::Invalid)?;
    sqlx::query!("delete from product.product_categories where product_id = $1", id)
        .execute(&mut **transaction)
        .await?;
    sqlx::query!(
        "insert into product.product_categories (product_id, category_id) select $1, unnest($2::uuid[])",
        id,
        categories,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// The stock of variants that are new.
async fn write_stock(
    transaction: &mut PgTransaction<'_>,
    product: &Product,
    skus: &[String],
    actor: &str,
) -> Result<Vec<Happened>, Error> {
    let stock: Vec<_> = product.variants.iter().map(|variant| variant.stock.unwrap_or_default()).collect();
    let new = sqlx::query!(
        r#"insert into product.stock (sku, on_hand)
           select sku, on_hand from unnest($1::text[], $2::bigint[]) as new (sku, on_hand) order by sku collate "C"
           on conflict do nothing returning sku, on_hand"#,
        skus,
        &stock,
    )
    .fetch_all(&mut **transaction)
    .await?;
    let mut happened = Vec::new();
    for row in new {
        let low_at = product
            .variants
            .iter()
            .find(|variant| variant.sku == row.sku)
            .map_or(0, |variant| variant.low_at);
        sqlx::query!(
            "insert into product.stock_levels (sku, level) values ($1, $2)",
            row.sku,
            Level::of(row.on_hand, low_at).as_str(),
        )
        .execute(&mut **transaction)
        .await?;
        if row.on_hand > 0 {
            let reason = "first stock";
            sqlx::query!(
                "insert into product.stock_movements (sku, bucket, kind, on_hand_delta, reserved_delta, reason, actor)
                 values ($1, 0, 'adjusted', $2, 0, $3, $4)",
                row.sku,
                row.on_hand,
                reason,
                actor,
            )
            .execute(&mut **transaction)
            .await?;
            let (delta, on_hand) = (row.on_hand, row.on_hand);
            let adjusted = StockAdjusted { sku: row.sku, delta, on_hand, reason: reason.to_owned() };
            happened.push(Happened::StockAdjusted(adjusted));
        }
    }
    Ok(happened)
}

fn slug_taken(error: sqlx::Error) -> Error {
    if violates(&error, "products_by_slug") {
        return Error::Conflict(Faults::one("/slug", "another product has this slug"));
    }
    error.into()
}

async fn skus_taken(transaction: &mut PgTransaction<'_>, id: Uuid, skus: &[String]) -> Result<Error, Error> {
    let taken = sqlx::query_scalar!(
        "select sku from product.variants where sku = any ($1) and product_id <> $2",
        skus,
        id
    )
    .fetch_all(&mut **transaction)
    .await?;
    let mut faults = Faults::default();
    for (index, sku) in skus.iter().enumerate() {
        if taken.contains(sku) {
            faults.add(format!("/variants/{index}/sku"), "another product has, or had, this SKU");
        }
    }
    Ok(Error::Conflict(faults))
}
