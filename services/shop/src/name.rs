//! The programs that a shop is made of.

use std::fmt;

use clap::ValueEnum;

/// A program of the shop.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    /// Who people are.
    UserService,
    /// What is sold.
    ProductService,
    /// Carts, orders and payments.
    OrderService,
    /// What people are told.
    NotificationService,
    /// The payment provider.
    Paysim,
    /// Where mail goes.
    Sink,
    /// What is in front of all of them.
    ApiGateway,
}

impl Name {
    /// Those with a database of their own.
    pub const WITH_DATABASE: [Self; 4] =
        [Self::UserService, Self::ProductService, Self::OrderService, Self::NotificationService];

    /// Those that the gateway is in front of, and need nobody to start.
    pub const BEHIND_THE_GATEWAY: [Self; 6] = [
        Self::Sink,
        Self::Paysim,
        Self::UserService,
        Self::ProductService,
        Self::OrderService,
        Self::NotificationService,
    ];

    /// As everybody writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UserService => "user-service",
            Self::ProductService => "product-service",
            Self::OrderService => "order-service",
            Self::NotificationService => "notification-service",
            Self::Paysim => "paysim",
            Self::Sink => "sink",
            Self::ApiGateway => "api-gateway",
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}
