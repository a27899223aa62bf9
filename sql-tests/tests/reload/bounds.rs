//! Ever new names leave a bounded number of versions behind.

use wasmfusion::{PluginState, Registry};

use super::adding;

#[test]
fn former_versions_are_bounded_whatever_their_names() {
    let registry = Registry::default();
    for turn in 0..300 {
        let name = format!("passing{turn}");
        registry
            .load_bytes(&name, adding(&name, 1).as_bytes())
            .expect("it loads");
        registry.unload(&name).expect("it was loaded");
    }
    let statuses = registry.statuses();
    let unloaded = statuses.iter().filter(|s| s.state == PluginState::Unloaded);
    assert_eq!(unloaded.count(), 256);
    assert!(registry.former_versions("passing0").is_empty());
    assert_eq!(registry.former_versions("passing299").len(), 1);
    for turn in 0..300 {
        let refused = registry.load_bytes(&format!("broken{turn}.wat"), b"(module");
        refused.expect_err("it is refused");
    }
    let statuses = registry.statuses();
    let failed = statuses.iter().filter(|s| s.state == PluginState::Failed);
    assert_eq!(failed.count(), 256);
    assert_eq!(registry.state("broken299"), Some(PluginState::Failed));
    assert_eq!(registry.events().len(), 900);
}
