//! The processes of a shop.

use std::fmt;

use flotilla_shop::name::Name;

/// A process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instance {
    /// What it runs.
    pub name: Name,
    replica: u8,
}

impl Instance {
    /// What is in front of all others.
    pub const GATEWAY: Self = Self::first(Name::ApiGateway);

    /// The one that customers need most.
    pub const ORDERS: Self = Self::first(Name::OrderService);

    /// The second one of those.
    pub const SECOND_ORDERS: Self = Self { name: Name::OrderService, replica: 1 };

    /// All of them, in the order in which they are started.
    pub const ALL: [Self; 8] = [
        Self::first(Name::Sink),
        Self::first(Name::Paysim),
        Self::first(Name::UserService),
        Self::first(Name::ProductService),
        Self::ORDERS,
        Self::SECOND_ORDERS,
        Self::first(Name::NotificationService),
        Self::GATEWAY,
    ];

    /// The only one of its name, or the first.
    pub const fn first(name: Name) -> Self {
        Self { name, replica: 0 }
    }

    /// Whether it is the second one of its name.
    pub const fn is_second(self) -> bool {
        self.replica > 0
    }

    /// All of a name.
    pub fn of(name: Name) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |one| one.name == name)
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_second() {
            return write!(formatter, "the second {}", self.name);
        }
        write!(formatter, "{}", self.name)
    }
}
