//! Lists of products. Which conditions and which order there are is up to whoever asks, so these queries are put together
//! here, with parameters for everything that was sent.

use flotilla_kit::database::Pool;
use serde::Serialize;
use sqlx::{PgExecutor, Postgres, QueryBuilder, postgres::PgRow, types::Json};
use uuid::Uuid;

use super::columns::Column;
use crate::domain::{Filter, Position, Sort};

/// A picture, as [`Image`](crate::domain::Image).
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Picture<'page> {
    /// Where it is.
    pub url: &'page str,
    /// What it shows.
    pub alt: &'page str,
}

/// What a list shows of a product.
#[derive(Clone, Debug)]
pub struct Summary<'page> {
    /// Its id.
    pub id: Uuid,
    /// Its name in addresses.
    pub slug: &'page str,
    /// Its name.
    pub name: &'page str,
    /// Its first picture.
    pub image: Option<Picture<'page>>,
    /// What its cheapest variant costs, in the currency that was asked for.
    pub price: Option<i64>,
    /// Whether something can be had of one of its variants.
    pub in_stock: bool,
    /// Its price or relevance, when they are in the order of that.
    number: Option<i64>,
}

impl Summary<'_> {
    /// Where a page behind this product begins.
    pub fn position(&self, sort: Sort) -> Position {
        let name = matches!(sort, Sort::Name).then(|| self.name.to_owned());
        let number = match sort {
            Sort::Newest | Sort::Name => None,
            Sort::PriceUp | Sort::PriceDown | Sort::Relevance => self.number,
        };
        Position { id: self.id, name, number }
    }
}

/// Stock of which something can be had, with the variant whose it is.
pub(super) const STOCK: &str =
    "product.stock join product.variants using (sku) where deleted_at is null and on_hand > reserved";

/// Products that a filter has, in its order and behind a position. What only is shown is looked for when it is known what is on
/// the page.
pub async fn page(
    executor: impl PgExecutor<'_>,
    filter: &Filter,
    after: Option<&Position>,
    limit: i64,
) -> Result<Page, sqlx::Error> {
    let mut query = QueryBuilder::<Postgres>::new(Page::BEGIN);
    query.push("select id, slug, name, image ->> 'url' as url, image ->> 'alt' as alt, ");
    least_price(&mut query, filter);
    query.push(" as price, ");
    is_in_stock(&mut query);
    query.push(" as in_stock, number from (");
    if let (Sort::Newest, Some(category)) = (filter.sort, filter.category) {
        newest_of(&mut query, category, filter, after, limit);
    } else {
        listed(&mut query, filter.sort);
        narrowed(&mut query, filter, matches!(filter.sort, Sort::Relevance));
    }
    query.push(") products");
    order(&mut query, filter.sort, after);
    self::limit(&mut query, limit);
    query.push(Page::END);
    query.build().fetch_one(executor).await.map(Page)
}

/// A page as it comes: an array of each column.
#[derive(Debug)]
pub struct Page(PgRow);

impl Page {
    /// What is before the query of a page, and behind it.
    const BEGIN: &str = "select coalesce(array_agg(id), '{}') as ids, coalesce(array_agg(slug), '{}') as slugs, \
         coalesce(array_agg(name), '{}') as names, coalesce(array_agg(url), '{}') as urls, \
         coalesce(array_agg(alt), '{}') as alts, coalesce(array_agg(price), '{}') as prices, \
         coalesce(array_agg(in_stock), '{}') as in_stock, coalesce(array_agg(number), '{}') as numbers from (";
    const END: &str = ") page";

    /// What is on it.
    ///
    /// # Errors
    ///
    /// When a column is not what was asked for.
    pub fn products(&self) -> Result<Vec<Summary<'_>>, sqlx::Error> {
        let column = |name| Column::of(&self.0, name);
        let (mut ids, mut slugs, mut names) = (column("ids")?, column("slugs")?, column("names")?);
        let (mut urls, mut alts) = (column("urls")?, column("alts")?);
        let (mut prices, mut in_stock, mut numbers) =
            (column("prices")?, column("in_stock")?, column("numbers")?);
        let mut products = Vec::with_capacity(ids.rows());
        for _ in 0..ids.rows() {
            let (url, alt) = (urls.text_or_null()?, alts.text_or_null()?);
            products.push(Summary {
                id: ids.id()?,
                slug: slugs.text()?,
                name: names.text()?,
                image: url.map(|url| Picture { url, alt: alt.unwrap_or_default() }),
                price: prices.number_or_null()?,
                in_stock: in_stock.is_true()?,
                number: numbers.number_or_null()?,
            });
        }
        Ok(products)
    }
}

/// What a list shows of products, but for what is looked for later.
fn listed(query: &mut QueryBuilder<Postgres>, sort: Sort) {
    query.push("select id, slug, name, images -> 0 as image, ");
    query.push(match sort {
        Sort::Newest | Sort::Name => "null::bigint",
        Sort::PriceUp | Sort::PriceDown => "price.minor",
        Sort::Relevance => "relevance",
    });
    query.push(" as number");
}

/// Written down: with a parameter Postgres thinks that a tenth of all is wanted, and makes a plan each time, as that is dear.
fn limit(query: &mut QueryBuilder<Postgres>, limit: i64) {
    query.push(format_args!(" limit {limit}"));
}

/// The newest of a category and of each below it, of which the page has the newest. What is older is not even looked at, however
/// much there is in them.
fn newest_of(
    query: &mut QueryBuilder<Postgres>,
    category: Uuid,
    filter: &Filter,
    after: Option<&Position>,
    limit: i64,
) {
    query.push("select distinct on (page.id) page.* from (");
    below(query, category);
    query.push(" select id from below) below cross join lateral (");
    listed(query, Sort::Newest);
    query.push(" from product.product_categories join ");
    products(query, filter, false);
    query.push(" on products.id = product_id");
    matching(query, filter);
    query.push(" and category_id = below.id");
    if let Some(after) = after {
        query.push(" and product_id < ").push_bind(after.id);
    }
    query.push(" order by product_id desc");
    self::limit(query, limit);
    query.push(") page order by page.id desc");
    self::limit(query, limit);
}

/// The least that a product costs, in the currency of a filter.
fn least_price(query: &mut QueryBuilder<Postgres>, filter: &Filter) {
    query.push("(select min(minor) as minor from product.prices join product.variants using (sku) ");
    query.push("where product_id = products.id and deleted_at is null and currency = ");
    query.push_bind(filter.currency.as_str()).push(")");
}

/// Whether something can be had of a product. Not `exists`: for that Postgres may read the stock of the whole catalogue first.
fn is_in_stock(query: &mut QueryBuilder<Postgres>) {
    query
        .push("coalesce((select true from ")
        .push(STOCK)
        .push(" and product_id = products.id limit 1), false)");
}

/// Products, but only those of a filter. Those in the order of their prices have one (`price.minor`); how much they are like the
/// words (`relevance`) takes time to tell, and is only told of those that are to be ranked.
pub(super) fn narrowed(query: &mut QueryBuilder<Postgres>, filter: &Filter, is_ranked: bool) {
    query.push(" from ");
    products(query, filter, is_ranked);
    matching(query, filter);
    if let Some(category) = filter.category {
        query.push(" and id in (");
        below(query, category);
        query
            .push(" select product_id from product.product_categories join below on below.id = category_id)");
    }
}

/// The categories in `below`: one, and all that are below it.
fn below(query: &mut QueryBuilder<Postgres>, category: Uuid) {
    query.push("with recursive below (id) as (select ").push_bind(category);
    query.push("::uuid union select category.id from below join product.categories category ");
    query.push("on category.parent_id = below.id)");
}

/// All products, or those that are like the words of a filter.
fn products(query: &mut QueryBuilder<Postgres>, filter: &Filter, is_ranked: bool) {
    match &filter.words {
        Some(words) => {
            query.push("product.found(").push_bind(words).push(format_args!(", {is_ranked}) products"));
        }
        None => {
            query.push("product.products");
        }
    }
}

/// What a filter says of products, but for the words and the category.
fn matching(query: &mut QueryBuilder<Postgres>, filter: &Filter) {
    let has_price = matches!(filter.sort, Sort::PriceUp | Sort::PriceDown);
    if has_price {
        query.push(" cross join lateral ");
        least_price(query, filter);
        query.push(" price");
    }
    query.push(" where status = ").push_bind(filter.status.as_str());
    if filter.words.is_none() {
        query.push(" and deleted_at is null");
    }
    if has_price {
        query.push(" and price.minor is not null");
    }
    if filter.price_min.is_some() || filter.price_max.is_some() {
        query.push(" and exists (select from product.prices join product.variants using (sku) ");
        query.push("where product_id = products.id and deleted_at is null and currency = ");
        query.push_bind(filter.currency.as_str());
        query.push(" and minor between ").push_bind(filter.price_min.unwrap_or(0));
        query.push(" and ").push_bind(filter.price_max.unwrap_or(i64::MAX)).push(")");
    }
    if let Some(in_stock) = filter.in_stock {
        query.push(" and ");
        is_in_stock(query);
        query.push(" = ").push_bind(in_stock);
    }
    for (name, value) in &filter.attributes {
        let wanted = Json(serde_json::json!({ name: value }));
        query.push(" and (attributes @> ").push_bind(wanted.clone());
        query.push(" or exists (select from product.variants where product_id = products.id ");
        query
            .push("and variants.deleted_at is null and variants.attributes @> ")
            .push_bind(wanted)
            .push("))");
    }
}

/// The order, and where in it to begin.
fn order(query: &mut QueryBuilder<Postgres>, sort: Sort, after: Option<&Position>) {
    let (begin, order) = match sort {
        Sort::Newest => (" where id < ", " order by id desc"),
        Sort::Name => (" where (name, id) > (", " order by name, id"),
        Sort::PriceUp => (" where (number, id) > (", " order by number, id"),
        Sort::PriceDown | Sort::Relevance => (" where (number, id) < (", " order by number desc, id desc"),
    };
    if let Some(after) = after {
        query.push(begin);
        match sort {
            Sort::Newest => {}
            Sort::Name => {
                query.push_bind(after.name.clone().unwrap_or_default()).push(", ");
            }
            Sort::PriceUp | Sort::PriceDown | Sort::Relevance => {
                query.push_bind(after.number.unwrap_or_default()).push(", ");
            }
        }
        query.push_bind(after.id);
        if sort != Sort::Newest {
            query.push(")");
        }
    }
    query.push(order);
}

/// Names of products that are like what somebody has typed so far, the most alike first.
pub async fn suggest(
    pool: &Pool,
    words: &str,
    limit: i64,
) -> Result<Vec<(Uuid, String, String)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select id, slug, name from product.products
           where deleted_at is null and status = 'active'
               and ($1 operator(product.<%) name or name ilike $2)
           order by name ilike $2 desc, product.word_similarity($1, name) desc, name, id limit $3"#,
        words,
        format!("%{}%", escape(words)),
        limit,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.slug, row.name)).collect())
}

/// So that `%` is a per cent sign.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}
