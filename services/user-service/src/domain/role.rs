//! What people may do.

/// Why a text is no role.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("write customer, support or admin")]
pub struct UnknownRole;

/// What somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Buys. Everybody is one.
    Customer,
    /// Reads accounts, locks and unlocks them.
    Support,
    /// Does everything.
    Admin,
}

/// What may be done to accounts of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Read them.
    Read,
    /// Lock and unlock them.
    Lock,
    /// Change them, and what they may do.
    Manage,
}

impl Role {
    /// As text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Support => "support",
            Self::Admin => "admin",
        }
    }

    /// The role that a text names.
    pub fn parse(text: &str) -> Result<Self, UnknownRole> {
        [Self::Customer, Self::Support, Self::Admin]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or(UnknownRole)
    }

    /// Whether it may do something.
    pub const fn may(self, permission: Permission) -> bool {
        match self {
            Self::Customer => false,
            Self::Support => matches!(permission, Permission::Read | Permission::Lock),
            Self::Admin => true,
        }
    }
}

/// Whether somebody with these roles may do something to somebody with those. Nobody locks or changes their betters.
pub fn may(roles: &[Role], permission: Permission, others: &[Role]) -> bool {
    let rank = |roles: &[Role]| roles.iter().max().copied().unwrap_or(Role::Customer);
    let is_above = permission == Permission::Read || rank(roles) == Role::Admin || rank(others) < rank(roles);
    roles.iter().any(|role| role.may(permission)) && is_above
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn support_reads_and_locks_customers_and_nobody_else() {
        use Permission::{Lock, Manage, Read};
        let (customer, support, admin) = ([Role::Customer], [Role::Customer, Role::Support], [Role::Admin]);
        for permission in [Read, Lock, Manage] {
            assert!(!may(&customer, permission, &customer));
            assert!(!may(&[], permission, &customer));
            assert!(may(&admin, permission, &admin));
        }
        assert!(may(&support, Read, &admin));
        assert!(may(&support, Lock, &customer));
        assert!(!may(&support, Lock, &support));
        assert!(!may(&support, Lock, &admin));
        assert!(!may(&support, Manage, &customer));
    }

    #[test]
    fn only_known_roles_are_roles() {
        for role in ["customer", "support", "admin"] {
            assert_eq!(Role::parse(role).unwrap().as_str(), role);
        }
        assert_eq!(Role::parse("root"), Err(UnknownRole));
    }
}
