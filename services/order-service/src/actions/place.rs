//! Placing an order. All that there is of it is written in one transaction with the answer for its key: it is there as a whole,
//! once, or not at all. Nobody is asked for money here; that is the saga's.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use flotilla_kit::{
    database::Transaction,
    http::{Problem, idempotency::Begun},
};
use flotilla_proto::product;
use uuid::Uuid;

use super::{
    Principal,
    once::{self, Once},
};
use crate::{
    app::App,
    domain::{money, payment},
    failpoint::{Moment, Stage},
    shape::{self, NewOrder},
    store::{carts, orders, payments, sagas},
};

/// Places an order.
pub(crate) async fn place(
    app: &App,
    principal: &Principal,
    once: &Once<'_>,
    new: &NewOrder,
) -> Result<Response, Problem> {
    let mut transaction = app.pool.begin().await?;
    let pending = match once.begin(&mut transaction, principal).await? {
        Begun::Repeated(response) => {
            transaction.rollback().await?;
            return Ok(response);
        }
        Begun::First(pending) => pending,
    };
    new.check().into_result()?;
    let (currency, lines) = wanted(&mut transaction, principal, new.clone()).await?;
    app.runner.failpoints.reach(Stage::Place, Moment::Begun);
    let quote = app.stock.quote(&currency, lines.clone()).await?;
    app.runner.failpoints.reach(Stage::Place, Moment::Called);
    let total_minor = total(&currency, &lines, &quote)?;
    if let Some(expected) = new.expected_total_minor.filter(|expected| *expected != total_minor) {
        let detail = format!("it costs {total_minor}, and not {expected}; ask the customer");
        let problem = Problem::new(StatusCode::CONFLICT, "price_changed", detail);
        return Err(problem.at("/expected_total_minor", format!("is {total_minor} now")));
    }
    let lines: Vec<_> = quote
        .lines
        .into_iter()
        .map(|line| orders::Line {
            sku: line.sku,
            product_id: line.product_id,
            name: line.name,
            quantity: line.quantity,
            unit_minor: line.unit_minor,
            total_minor: line.total_minor,
        })
        .collect();
    let (id, payment_id) = (Uuid::now_v7(), Uuid::now_v7());
    let stored = orders::NewOrder {
        id,
        user_id: principal.user,
        currency: &currency,
        total_minor,
        payment_id,
        ship_to: new.ship_to.as_ref(),
        lines: &lines,
    };
    let order = orders::create(&mut transaction, &stored).await?;
    let amount = (total_minor, currency.as_str());
    let provider = app.provider.name();
    payments::create(&mut transaction, payment_id, id, provider, &new.payment_method, amount).await?;
    sagas::begin(&mut transaction, id, app.deadline.as_secs_f64()).await?;
    if let Some(cart) = new.cart_id {
        carts::ordered(&mut transaction, cart, id).await?;
    }
    let shown = shape::Order::new(order, payment::Status::Created, lines);
    let location =
        HeaderValue::from_str(&format!("/v1/orders/{id}")).map_err(|error| Problem::internal(&error))?;
    let headers = [(header::LOCATION, location), (header::ETAG, HeaderValue::from_static("\"v1\""))];
    once::accept(app, transaction, (pending, Stage::Place), &shown, headers).await
}

/// What is ordered, in which currency.
async fn wanted(
    transaction: &mut Transaction<'_>,
    principal: &Principal,
    new: NewOrder,
) -> Result<(String, Vec<product::Line>), Problem> {
    let Some(id) = new.cart_id else {
        let lines =
            new.lines.into_iter().map(|line| product::Line { sku: line.sku, quantity: line.quantity });
        return Ok((new.currency.unwrap_or_default(), lines.collect()));
    };
    let invalid = |detail: &'static str| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_body", detail).at("/cart_id", detail)
    };
    let cart = carts::lock(transaction, id, principal.user).await?;
    let cart = cart.ok_or_else(|| invalid("there is no such cart"))?;
    if cart.order_id.is_some() {
        return Err(Problem::new(StatusCode::CONFLICT, "cart_ordered", "this cart has been ordered"));
    }
    if cart.items.is_empty() {
        return Err(invalid("there is nothing in this cart"));
    }
    let lines = cart.items.into_iter().map(|item| product::Line { sku: item.sku, quantity: item.quantity });
    Ok((cart.currency, lines.collect()))
}

/// The product-service does not say what was asked for, or does not add up.
#[derive(Debug, thiserror::Error)]
#[error("the product-service quotes something else than was asked for, or does not add up")]
struct WrongQuote;

/// What all of it costs, checked: these are the numbers that somebody pays.
fn total(currency: &str, wanted: &[product::Line], quote: &product::QuoteResponse) -> Result<i64, Problem> {
    let is_wanted = |line: &product::QuotedLine| {
        wanted.iter().any(|other| other.sku == line.sku && other.quantity == line.quantity)
    };
    let sum = quote.lines.iter().try_fold(0_i64, |sum, line| {
        let total = line.unit_minor.checked_mul(i64::from(line.quantity))?;
        if total == line.total_minor && is_wanted(line) { sum.checked_add(total) } else { None }
    });
    let is_whole = quote.currency == currency && quote.lines.len() == wanted.len();
    let sum = sum.filter(|sum| *sum == quote.total_minor && is_whole);
    let sum = sum.ok_or_else(|| Problem::internal(&WrongQuote))?;
    if (1..=money::MAX_MINOR).contains(&sum) {
        return Ok(sum);
    }
    let detail = format!("an order costs from 1 to {} minor units, and this one {sum}", money::MAX_MINOR);
    Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_total", detail)
        .at("/lines", "cost too much, or nothing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quote() -> product::QuoteResponse {
        let line = |sku: &str, quantity, unit_minor| product::QuotedLine {
            sku: sku.to_owned(),
            quantity,
            unit_minor,
            total_minor: unit_minor * i64::from(quantity),
            ..product::QuotedLine::default()
        };
        let lines = vec![line("SHOE", 2, 1_990), line("SOCK", 1, 500)];
        product::QuoteResponse { currency: "EUR".to_owned(), lines, total_minor: 4_480 }
    }

    #[test]
    fn nobody_pays_what_was_not_asked_for_or_does_not_add_up() {
        let wanted =
            [("SHOE", 2), ("SOCK", 1)].map(|(sku, quantity)| product::Line { sku: sku.to_owned(), quantity });
        let status = |change: &dyn Fn(&mut product::QuoteResponse)| {
            let mut quote = quote();
            change(&mut quote);
            total("EUR", &wanted, &quote).map_err(|problem| problem.status().as_u16())
        };
        assert_eq!(status(&|_| ()), Ok(4_480));
        assert_eq!(status(&|quote| quote.total_minor = 4_481), Err(500));
        assert_eq!(status(&|quote| quote.currency = "USD".to_owned()), Err(500));
        assert_eq!(status(&|quote| quote.lines[0].unit_minor = 1_991), Err(500));
        assert_eq!(status(&|quote| quote.lines[0].unit_minor = i64::MAX), Err(500));
        assert_eq!(status(&|quote| quote.lines[1].sku = "HAT".to_owned()), Err(500));
        let less = |quote: &mut product::QuoteResponse| {
            quote.lines.pop();
            quote.total_minor = 3_980;
        };
        assert_eq!(status(&less), Err(500));
        let free = |quote: &mut product::QuoteResponse| {
            for line in &mut quote.lines {
                (line.unit_minor, line.total_minor) = (0, 0);
            }
            quote.total_minor = 0;
        };
        assert_eq!(status(&free), Err(422));
    }
}
