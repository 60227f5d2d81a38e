//! One form for each path, so that a rule that matches a path matches every way to write it.

use std::borrow::Cow;

use super::Refused;

/// A path in the form in which it is matched and forwarded (RFC 3986 section 6.2.2): needless escapes are undone, the
/// others in upper case, dot segments resolved, and slashes that follow each other are one.
///
/// # Errors
/// When it means different things to different programs: an escape that is none, a NUL, a backslash, a segment `..` that
/// leads above the root, is followed by `;`, escaped or not, or is hidden by an escaped slash.
pub fn normalise(path: &str) -> Result<Cow<'_, str>, Refused> {
    if !path.starts_with('/') {
        return Err(Refused::bad("path-form"));
    }
    if is_normal(path) {
        return Ok(Cow::Borrowed(path));
    }
    let decoded = unescape(path)?;
    let mut kept: Vec<&str> = Vec::new();
    let mut last = "";
    for segment in decoded.split('/').skip(1) {
        last = segment;
        match segment {
            "" | "." => {}
            ".." => {
                if kept.pop().is_none() {
                    return Err(Refused::bad("path-above-root"));
                }
            }
            _ if is_hidden_dots(segment) => return Err(Refused::bad("path-hidden-dots")),
            _ => kept.push(segment),
        }
    }
    let mut normal = String::with_capacity(path.len());
    for segment in &kept {
        normal.push('/');
        normal.push_str(segment);
    }
    if matches!(last, "" | "." | "..") {
        normal.push('/');
    }
    Ok(Cow::Owned(normal))
}

/// Most paths have nothing to be done, which one look tells.
fn is_normal(path: &str) -> bool {
    let mut before = b'a';
    path.bytes().all(|byte| {
        let fits = match byte {
            b'%' | b'\\' | b';' | 0 => false,
            b'/' | b'.' => before != b'/',
            _ => true,
        };
        before = byte;
        fits
    })
}

fn unescape(path: &str) -> Result<String, Refused> {
    let mut text = String::with_capacity(path.len());
    let mut rest = path.chars();
    while let Some(next) = rest.next() {
        match next {
            '\\' | '\0' => return Err(Refused::bad("path-character")),
            '%' => {
                let mut digit = || rest.next().and_then(|digit| digit.to_digit(16));
                let (Some(high), Some(low)) = (digit(), digit()) else {
                    return Err(Refused::bad("path-escape"));
                };
                let byte = u8::try_from(high * 16 + low).map_err(|_| Refused::bad("path-escape"))?;
                match byte {
                    0 => return Err(Refused::bad("path-character")),
                    // RFC 3986 section 2.3: these are the same with and without an escape.
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                        text.push(char::from(byte));
                    }
                    _ => {
                        text.push('%');
                        text.extend(
                            [high, low]
                                .iter()
                                .filter_map(|digit| char::from_digit(*digit, 16))
                                .map(|digit| digit.to_ascii_uppercase()),
                        );
                    }
                }
            }
            _ => text.push(next),
        }
    }
    Ok(text)
}

/// Whether a program that takes `%2F` and `%5C` for slashes, or cuts at `;` or `%3B`, finds dots here.
fn is_hidden_dots(segment: &str) -> bool {
    let slashed = segment.replace("%2F", "/").replace("%5C", "/").replace("%3B", ";");
    slashed.split('/').any(|part| {
        let name = part.split_once(';').map_or(part, |(name, _)| name);
        matches!(name, "." | "..")
    })
}
