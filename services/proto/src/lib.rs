//! The gRPC interfaces of the shop: messages, clients and servers, made of the files in `proto` when this is compiled.
//!
//! Money is in minor units with its currency (ISO 4217); times are `google.protobuf.Timestamp`; ids are UUIDs as text. What a
//! version has said once it goes on saying: numbers of fields are never used again.

/// What is written of the interfaces, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/shop.bin"));

#[expect(
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes,
    missing_docs,
    unused_qualifications,
    reason = "made of the interfaces"
)]
mod made {
    pub mod notification {
        tonic::include_proto!("shop.notification.v1");
    }
    pub mod order {
        tonic::include_proto!("shop.order.v1");
    }
    pub mod product {
        tonic::include_proto!("shop.product.v1");
    }
    pub mod user {
        tonic::include_proto!("shop.user.v1");
    }
}

pub use made::{notification, order, product, user};
