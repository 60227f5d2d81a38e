//! Maps by names and numbers of the configuration.

/// A map whose keys are all from the configuration: nobody else can have them collide, so it needs no hash that withstands
/// that and costs several times as much.
pub type Map<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;
