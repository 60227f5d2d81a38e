//! `grpc-timeout`: how long the one that calls waits for the answer.

use std::time::Duration;

use ::http::HeaderMap;
use tonic::Status;

use crate::http::layer::only;

/// The name of the header.
const HEADER: &str = "grpc-timeout";

/// The time that a call has, at most `most`.
pub(super) fn of(headers: &HeaderMap, most: Duration) -> Result<Duration, Status> {
    if !headers.contains_key(HEADER) {
        return Ok(most);
    }
    let time = only(headers, HEADER).and_then(parse).ok_or_else(|| {
        Status::invalid_argument(format!("{HEADER}: write up to eight digits and one of H, M, S, m, u and n"))
    })?;
    Ok(time.min(most))
}

fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3_600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_digits_and_a_unit() {
        for (text, time) in [
            ("1H", Duration::from_secs(3_600)),
            ("2M", Duration::from_secs(120)),
            ("99999999S", Duration::from_secs(99_999_999)),
            ("250m", Duration::from_millis(250)),
            ("7u", Duration::from_micros(7)),
            ("0n", Duration::ZERO),
        ] {
            assert_eq!(parse(text), Some(time), "{text}");
        }
        for bad in ["", "S", "1", "1s", "+1S", "-1S", "123456789S", "1 S", "1é"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn nobody_waits_longer_than_the_service_does() {
        let most = Duration::from_secs(30);
        let of = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(HEADER, value.parse().unwrap());
            }
            of(&headers, most).map_err(|status| status.code())
        };
        assert_eq!(of(&[]), Ok(most));
        assert_eq!(of(&["1S"]), Ok(Duration::from_secs(1)));
        assert_eq!(of(&["1H"]), Ok(most));
        assert_eq!(of(&["soon"]), Err(tonic::Code::InvalidArgument));
        assert_eq!(of(&["1S", "2S"]), Err(tonic::Code::InvalidArgument));
    }
}
