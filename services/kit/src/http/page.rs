//! Pages of a list, one after the other by a cursor (keyset), never by a number.

use axum::{
    http::{HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use super::{Json, Problem};

/// Items of a page when a client does not say.
const DEFAULT: u32 = 20;

/// Items that a page may have.
pub(super) const MAX: u32 = 100;

/// The parameters of a list.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct PageParameters {
    limit: Option<u32>,
    /// Where to go on.
    pub cursor: Option<String>,
}

impl PageParameters {
    /// How many items to give.
    pub fn limit(&self) -> Result<u32, Problem> {
        match self.limit.unwrap_or(DEFAULT) {
            limit if (1..=MAX).contains(&limit) => Ok(limit),
            _ => {
                let detail = "a parameter of the query cannot be taken; errors says which";
                let problem = Problem::new(StatusCode::BAD_REQUEST, "invalid_parameter", detail);
                Err(problem.parameter("limit", format!("write from 1 to {MAX}")))
            }
        }
    }
}

/// A page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next one begins. Nothing: this is the last.
    pub next_cursor: Option<String>,
}

impl<T: Serialize> Page<T> {
    /// The answer to a request for it, with a link to the next one (RFC 8288).
    pub fn into_response(self, uri: &Uri) -> Response {
        let link = self.next_cursor.as_deref().map(|cursor| next(uri, cursor));
        let mut response = Json(self).into_response();
        if let Some(link) = link.and_then(|link| HeaderValue::from_str(&link).ok()) {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }
}

fn next(uri: &Uri, cursor: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        if name != "cursor" {
            query.append_pair(&name, &value);
        }
    }
    query.append_pair("cursor", cursor);
    format!("<{}?{}>; rel=\"next\"", uri.path(), query.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_leads_to_the_next_with_the_same_parameters() {
        let uri = "/v1/products?q=red%20shoe&cursor=old&limit=2".parse().unwrap();
        let page = Page { items: vec![1, 2], next_cursor: Some("new".to_owned()) };
        let response = page.into_response(&uri);
        assert_eq!(
            response.headers()[header::LINK],
            r#"</v1/products?q=red+shoe&limit=2&cursor=new>; rel="next""#
        );
        let last = Page { items: vec![1], next_cursor: None };
        assert!(!last.into_response(&uri).headers().contains_key(header::LINK));
    }

    #[test]
    fn a_page_has_from_1_to_100_items() {
        let limit = |limit| PageParameters { limit, cursor: None }.limit().map_err(|problem| problem.code());
        assert_eq!(limit(None), Ok(20));
        assert_eq!((limit(Some(1)), limit(Some(100))), (Ok(1), Ok(100)));
        assert_eq!((limit(Some(0)), limit(Some(101))), (Err("invalid_parameter"), Err("invalid_parameter")));
    }
}
