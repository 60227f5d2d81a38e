//! Fills `${name}` in the configuration files and manifests that lie beside the code.

use anyhow::{Result, bail};

/// The template with every `${name}` replaced. A name without a value, or a value without its name, is an error.
pub(crate) fn render(template: &str, values: &[(&str, &str)]) -> Result<String> {
    let mut text = template.to_owned();
    for (name, value) in values {
        let mark = format!("${{{name}}}");
        if !template.contains(&mark) {
            bail!("the template has no {mark}");
        }
        text = text.replace(&mark, value);
    }
    if let Some(at) = template.match_indices("${").find_map(|(at, _)| {
        let mark = template.get(at..)?.split_inclusive('}').next()?;
        (!values.iter().any(|(name, _)| mark == format!("${{{name}}}"))).then_some(mark)
    }) {
        bail!("the template's {at} has no value");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::render;

    #[test]
    fn names_and_values_must_agree() {
        assert_eq!(render("a ${x} ${x}", &[("x", "1")]).unwrap(), "a 1 1");
        assert!(render("a ${x} ${y}", &[("x", "1")]).is_err());
        assert!(render("a", &[("x", "1")]).is_err());
    }
}
