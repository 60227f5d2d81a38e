//! Makes Rust of the interfaces in `proto`, without a compiler of the system's: protox is one in Rust.

use std::{env, error::Error, fs, path::PathBuf};

const FILES: [&str; 4] = [
    "shop/notification/v1/notification.proto",
    "shop/order/v1/order.proto",
    "shop/product/v1/product.proto",
    "shop/user/v1/user.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let descriptors = protox::compile(FILES, ["proto"])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    // Servers give it to whoever asks what they have (reflection).
    fs::write(out.join("shop.bin"), protox::prost::Message::encode_to_vec(&descriptors))?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
