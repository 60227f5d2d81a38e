//! Prints the document of the REST API.

fn main() -> Result<(), serde_json::Error> {
    let document = flotilla_user_service::http::document()?;
    #[expect(clippy::print_stdout, reason = "it is what this is for")]
    {
        print!("{document}");
    }
    Ok(())
}
