//! Which products somebody wants, as parameters of a query.

use utoipa::IntoParams;
use uuid::Uuid;

use crate::domain::Status;

/// The parameters, as they are described. What is sent is read by [`crate::domain::Filter::of`].
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is of use")]
pub(super) struct FilterParameters {
    /// In this category, or in one below it
    category: Option<Uuid>,
    /// Like these words; also when they are not quite right
    #[param(min_length = 1, max_length = 200, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    q: Option<String>,
    /// The currency of prices; EUR when left out
    #[param(pattern = "^[A-Z]{3}$")]
    currency: Option<String>,
    /// A variant costs at least this, in minor units
    #[param(minimum = 0)]
    price_min: Option<i64>,
    /// A variant costs at most this, in minor units
    #[param(minimum = 0)]
    price_max: Option<i64>,
    /// Whether something of it can be had
    in_stock: Option<bool>,
    /// With this attribute. For others write their names in place of color
    #[param(rename = "attr.color", min_length = 1, max_length = 200)]
    attribute: Option<String>,
    /// Others than active ones are only shown to the role admin
    #[param(inline)]
    status: Option<Status>,
    /// How they are ordered
    #[param(pattern = "^(newest|name|-?price|relevance)$")]
    sort: Option<String>,
}
