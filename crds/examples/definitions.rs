//! Prints the `CustomResourceDefinition` objects as one YAML stream; `cargo xtask gen` writes them to files.

#![allow(clippy::print_stdout, reason = "printing is its purpose")]

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for crd in flotilla_crds::definition::all()? {
        print!("---\n{}", serde_saphyr::to_string(&crd)?);
    }
    Ok(())
}
