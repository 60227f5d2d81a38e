//! How many products there are of which kinds. Put together as lists are: see [`super::listing`].
//!
//! What is counted by a side that the filter narrows is counted without that: whoever looks at what is blue wants to know how
//! much is green.

use flotilla_kit::database::Pool;
use sqlx::{FromRow, Postgres, QueryBuilder};
use uuid::Uuid;

use super::listing::{STOCK, narrowed};
use crate::domain::{Filter, Side};

/// Products that are counted at most: whoever asks has others wait for no longer than that takes.
const MOST: i64 = 10_000;

/// Attributes that are told of, and what each of them is.
const NAMES: i64 = 50;
const VALUES: i64 = 50;

/// How many products there are, and of which kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facets {
    /// All of them.
    pub total: i64,
    /// Whether all were counted.
    pub is_complete: bool,
    /// By category, in the order of categories.
    pub categories: Vec<InCategory>,
    /// By attribute, the most frequent first.
    pub attributes: Vec<WithAttribute>,
    /// What the cheapest and the dearest variant cost, in the currency that was asked for.
    pub prices: Option<(i64, i64)>,
    /// Those of which something can be had.
    pub in_stock: i64,
}

/// Products in a category or below it.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct InCategory {
    /// Its id.
    pub id: Uuid,
    /// Its name in addresses.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// How many.
    pub count: i64,
}

/// Products with an attribute, of their own or of one of their variants.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct WithAttribute {
    /// Its name.
    pub name: String,
    /// What it is.
    pub value: String,
    /// How many.
    pub count: i64,
}

/// Counts what a filter has.
pub async fn count(pool: &Pool, filter: &Filter) -> Result<Facets, sqlx::Error> {
    let mut query = matching(filter);
    query.push("select count(*) from matching");
    let total: i64 = query.build_query_scalar().fetch_one(pool).await?;
    let mut attributes = attributes(pool, filter, None).await?;
    for name in filter.attributes.keys() {
        attributes.retain(|known| known.name != *name);
        attributes.extend(self::attributes(pool, &filter.without(Side::Attribute(name)), Some(name)).await?);
    }
    let mut query = matching(&filter.without(Side::Stock));
    query.push("select count(*) from matching where id in (select product_id from ").push(STOCK).push(")");
    Ok(Facets {
        total: total.min(MOST),
        is_complete: total <= MOST,
        categories: categories(pool, filter).await?,
        attributes,
        prices: prices(pool, filter).await?,
        in_stock: query.build_query_scalar().fetch_one(pool).await?,
    })
}

/// The beginning of a query about the products of a filter, one more of them than are counted.
fn matching(filter: &Filter) -> QueryBuilder<Postgres> {
    let mut query =
        QueryBuilder::<Postgres>::new("with recursive matching as materialized (select id, attributes");
    narrowed(&mut query, filter, false);
    query.push(" limit ").push_bind(MOST + 1).push(") ");
    query
}

async fn categories(pool: &Pool, filter: &Filter) -> Result<Vec<InCategory>, sqlx::Error> {
    let mut query = matching(filter);
    query.push(", child as (select * from product.categories where parent_id is not distinct from ");
    query.push_bind(filter.category);
    query.push(
        "), below (child, id) as (
             select id, id from child
             union all
             select below.child, category.id from below
             join product.categories category on category.parent_id = below.id
         )
         select child.id, child.slug, child.name, count(distinct matching.id) as count
         from matching
         join product.product_categories on product_id = matching.id
         join below on below.id = category_id
         join child on child.id = below.child
         group by child.id, child.slug, child.name, child.position
         order by child.position, child.name, child.id",
    );
    query.build_query_as().fetch_all(pool).await
}

/// All attributes, or one of them.
async fn attributes(
    pool: &Pool,
    filter: &Filter,
    name: Option<&str>,
) -> Result<Vec<WithAttribute>, sqlx::Error> {
    let mut query = matching(filter);
    query.push(
        ", pair as (
             select matching.id, key, value from matching, jsonb_each_text(attributes)
             union
             select matching.id, key, value from matching
             join product.variants on product_id = matching.id and deleted_at is null,
             jsonb_each_text(variants.attributes)
         ), counted as (
             select key, value, count(*) as count,
                 row_number() over (partition by key order by count(*) desc, value) as place,
                 sum(count(*)) over (partition by key) as total
             from pair where ",
    );
    query.push_bind(name).push("::text is null or key = ").push_bind(name);
    query.push(
        " group by key, value
         ), ranked as (
             select *, dense_rank() over (order by total desc, key) as rank from counted
         )
         select key as name, value, count from ranked where place <= ",
    );
    query.push_bind(VALUES).push(" and rank <= ").push_bind(NAMES).push(" order by key, place");
    query.build_query_as().fetch_all(pool).await
}

async fn prices(pool: &Pool, filter: &Filter) -> Result<Option<(i64, i64)>, sqlx::Error> {
    let mut query = matching(&filter.without(Side::Price));
    query.push(
        "select min(minor), max(minor) from matching
         join product.variants on product_id = matching.id and deleted_at is null
         join product.prices using (sku) where currency = ",
    );
    query.push_bind(filter.currency.as_str());
    let (min, max): (Option<i64>, Option<i64>) = query.build_query_as().fetch_one(pool).await?;
    Ok(min.zip(max))
}
