//! Carts.

use flotilla_kit::database::{Pool, Transaction};
use sqlx::PgExecutor;
use uuid::Uuid;

use super::Error;

/// A cart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cart {
    /// Its id.
    pub id: Uuid,
    /// What its prices are in.
    pub currency: String,
    /// How often it has changed.
    pub version: i64,
    /// The order that it became.
    pub order_id: Option<Uuid>,
    /// What is in it, by SKU.
    pub items: Vec<Item>,
}

/// Something in a cart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What.
    pub sku: String,
    /// How many.
    pub quantity: i32,
}

/// Makes a cart.
pub async fn create(db: impl PgExecutor<'_>, id: Uuid, user: Uuid, currency: &str) -> Result<(), Error> {
    sqlx::query!("insert into orders.carts (id, user_id, currency) values ($1, $2, $3)", id, user, currency)
        .execute(db)
        .await?;
    Ok(())
}

/// A cart of somebody.
pub async fn get(pool: &Pool, id: Uuid, user: Uuid) -> Result<Option<Cart>, Error> {
    // One statement, so that the items are those of the version.
    let rows = sqlx::query!(
        r#"select carts.currency, carts.version, carts.order_id, items.sku as "sku?", items.quantity as "quantity?"
           from orders.carts left join orders.cart_items as items on items.cart_id = carts.id
           where carts.id = $1 and carts.user_id = $2 order by items.sku"#,
        id,
        user
    )
    .fetch_all(pool)
    .await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let (currency, version, order_id) = (first.currency.clone(), first.version, first.order_id);
    let items = rows.into_iter().filter_map(|row| Some(Item { sku: row.sku?, quantity: row.quantity? }));
    Ok(Some(Cart { id, currency, version, order_id, items: items.collect() }))
}

/// A cart of somebody, locked against changes by others.
pub async fn lock(transaction: &mut Transaction<'_>, id: Uuid, user: Uuid) -> Result<Option<Cart>, Error> {
    let row = sqlx::query!(
        "select id, currency, version, order_id from orders.carts where id = $1 and user_id = $2 for update",
        id,
        user
    )
    .fetch_optional(&mut **transaction)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let items = sqlx::query_as!(
        Item,
        "select sku, quantity from orders.cart_items where cart_id = $1 order by sku",
        id
    )
    .fetch_all(&mut **transaction)
    .await?;
    Ok(Some(Cart { id: row.id, currency: row.currency, version: row.version, order_id: row.order_id, items }))
}

/// Puts something in, or changes how many there are.
pub async fn put(transaction: &mut Transaction<'_>, id: Uuid, sku: &str, quantity: i32) -> Result<(), Error> {
    sqlx::query!(
        "insert into orders.cart_items (cart_id, sku, quantity) values ($1, $2, $3)
         on conflict (cart_id, sku) do update set quantity = excluded.quantity",
        id,
        sku,
        quantity
    )
    .execute(&mut **transaction)
    .await?;
    changed(transaction, id).await
}

/// Takes something out. Whether it was in.
pub async fn remove(transaction: &mut Transaction<'_>, id: Uuid, sku: &str) -> Result<bool, Error> {
    let removed = sqlx::query!("delete from orders.cart_items where cart_id = $1 and sku = $2", id, sku)
        .execute(&mut **transaction)
        .await?;
    if removed.rows_affected() == 0 {
        return Ok(false);
    }
    changed(transaction, id).await?;
    Ok(true)
}

async fn changed(transaction: &mut Transaction<'_>, id: Uuid) -> Result<(), Error> {
    sqlx::query!("update orders.carts set version = version + 1, updated_at = now() where id = $1", id)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// It has become an order.
pub async fn ordered(transaction: &mut Transaction<'_>, id: Uuid, order: Uuid) -> Result<(), Error> {
    sqlx::query!("update orders.carts set order_id = $2, updated_at = now() where id = $1", id, order)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// Throws a cart away. Whether there was one.
pub async fn delete(db: impl PgExecutor<'_>, id: Uuid, user: Uuid) -> Result<bool, Error> {
    let deleted =
        sqlx::query!("delete from orders.carts where id = $1 and user_id = $2", id, user).execute(db).await?;
    Ok(deleted.rows_affected() == 1)
}

/// Throws away all of somebody's.
pub async fn forget(transaction: &mut Transaction<'_>, user: Uuid) -> Result<(), Error> {
    sqlx::query!("delete from orders.carts where user_id = $1", user).execute(&mut **transaction).await?;
    Ok(())
}

/// Throws away carts that nobody has touched for so many days, at most so many of them, and says how many.
pub async fn forget_old(pool: &Pool, days: i32, limit: i64) -> Result<u64, Error> {
    let forgotten = sqlx::query!(
        "delete from orders.carts where id in (
             select id from orders.carts where updated_at < now() - make_interval(days => $1)
             order by updated_at limit $2 for update skip locked
         )",
        days,
        limit,
    )
    .execute(pool)
    .await?;
    Ok(forgotten.rows_affected())
}
