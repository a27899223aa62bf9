use std::io;
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use super::{LOOKUPS_MAX, LOOKUPS_OF_PLUGIN_MAX, LookupQuota, Lookups, Resolver, resolve};
use crate::host::error::{HostError, Status};
use crate::host::net::tests::{
    AnyHost, Names, OnLoopback, assert_fails, bounds, cancelled_after, within,
};
use crate::host::net::{Bounds, NetPolicy, Target};

fn addresses(
    host: &str,
    lookups: &Lookups,
    policy: &dyn NetPolicy,
    bounds: &Bounds,
) -> Result<Vec<String>, HostError> {
    let checked = resolve(Target::new(host, 80)?, lookups, policy, bounds)?;
    Ok(checked.as_slice().iter().map(ToString::to_string).collect())
}

#[test]
fn hosts_that_were_not_granted_are_not_even_looked_up() {
    struct Never;
    impl Resolver for Never {
        fn addresses(&self, _name: &str) -> io::Result<Vec<IpAddr>> {
            panic!("looked up")
        }
    }
    let never = Lookups::new(Never);
    assert_fails(Status::Denied, "other.test:80", || {
        addresses("other.test", &never, &OnLoopback(&["good.test"]), &bounds())
    });
}

#[test]
fn private_addresses_are_refused_in_every_spelling() {
    let system = Lookups::of_system();
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "017700000001",
        "0.0.0.0",
        "0",
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "0xa9fea9fe",
        "100.100.100.200",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:a9fe:a9fe",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "fd00:ec2::254",
        "fe80::1",
        // From the hosts file.
        "localhost",
        "LOCALHOST",
    ] {
        assert_fails(Status::Denied, "private or reserved", || {
            addresses(host, &system, &AnyHost, &bounds())
        });
    }
}

#[test]
fn of_mixed_answers_only_the_public_addresses_are_used() {
    let names = Names::lookups(&[(
        "mixed.test",
        &[&[
            "10.0.0.1",
            "8.8.8.8",
            "::1",
            "::ffff:127.0.0.1",
            "2606:4700::1111",
            "169.254.169.254",
        ]],
    )]);
    let found = addresses("mixed.test", &names, &AnyHost, &bounds()).unwrap();
    assert_eq!(found, ["8.8.8.8:80", "[2606:4700::1111]:80"]);
}

#[test]
fn addresses_that_were_granted_are_used_although_they_are_private() {
    let names = Names::lookups(&[("inside.test", &[&["10.0.0.1", "::ffff:127.0.0.2"]])]);
    let policy = OnLoopback(&["inside.test"]);
    let found = addresses("inside.test", &names, &policy, &bounds()).unwrap();
    assert_eq!(found, ["127.0.0.2:80"]);
}

#[test]
fn a_name_that_changes_its_mind_is_checked_each_time() {
    let names = Names::lookups(&[("rebinding.test", &[&["8.8.8.8"], &["127.0.0.1"]])]);
    let found = addresses("rebinding.test", &names, &AnyHost, &bounds()).unwrap();
    assert_eq!(found, ["8.8.8.8:80"]);
    assert_fails(Status::Denied, "private or reserved", || {
        addresses("rebinding.test", &names, &AnyHost, &bounds())
    });
}

#[test]
fn names_without_addresses_fail() {
    let names = Names::lookups(&[("empty.test", &[&[]])]);
    assert_fails(Status::Failed, "has no address", || {
        addresses("empty.test", &names, &AnyHost, &bounds())
    });
    assert_fails(Status::Failed, "no such name", || {
        addresses("absent.test", &names, &AnyHost, &bounds())
    });
}

#[test]
fn lookups_that_hang_are_left_and_are_only_so_many() {
    struct Slow;
    impl Resolver for Slow {
        fn addresses(&self, _name: &str) -> io::Result<Vec<IpAddr>> {
            thread::sleep(Duration::from_secs(2));
            Ok(vec![[8, 8, 8, 8].into()])
        }
    }
    let slow = Lookups::new(Slow);
    let get = |bounds: Bounds| addresses("slow.test", &slow, &AnyHost, &bounds);
    assert_fails(Status::Timeout, "time", || {
        get(within(Duration::from_millis(50)))
    });
    assert_fails(Status::Timeout, "cancelled", || {
        get(cancelled_after(Duration::from_millis(50)))
    });
    for _ in 0..LOOKUPS_MAX + 10 {
        assert_fails(Status::Timeout, "time", || {
            get(within(Duration::from_millis(2)))
        });
    }
    assert_eq!(slow.under_way.load(Ordering::Relaxed), LOOKUPS_MAX);
    // It waits for a place, then for its own answer.
    assert_eq!(get(bounds()).unwrap(), ["8.8.8.8:80"]);
}

#[test]
fn one_plugin_cannot_take_the_lookups_of_others() {
    /// One name whose server does not answer, among others that are found at once.
    struct Silent;
    impl Resolver for Silent {
        fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
            if name == "silent.test" {
                thread::sleep(Duration::from_secs(3));
            }
            Ok(vec![[8, 8, 8, 8].into()])
        }
    }
    let lookups = Lookups::new(Silent);
    let get = |name, bounds: Bounds| addresses(name, &lookups, &AnyHost, &bounds);
    let quota = LookupQuota::default();
    let of_plugin = |bounds: Bounds| Bounds {
        lookups: quota.clone(),
        ..bounds
    };
    let soon = || of_plugin(within(Duration::from_millis(50)));
    for _ in 0..LOOKUPS_OF_PLUGIN_MAX {
        assert_fails(Status::Timeout, "time", || get("silent.test", soon()));
    }
    // Its callers have given up, but the lookups go on and keep their places.
    for name in ["silent.test", "other.test"] {
        assert_fails(Status::Limit, "8 lookups of this plugin", || {
            get(name, soon())
        });
    }
    let cancelled = of_plugin(cancelled_after(Duration::from_millis(50)));
    assert_fails(Status::Timeout, "cancelled", || {
        get("other.test", cancelled)
    });
    assert_eq!(
        lookups.under_way.load(Ordering::Relaxed),
        LOOKUPS_OF_PLUGIN_MAX
    );
    // Another plugin does not notice.
    assert_eq!(get("other.test", bounds()).unwrap(), ["8.8.8.8:80"]);
    // A place is given back when its lookup ends.
    let later = of_plugin(bounds());
    assert_eq!(get("other.test", later).unwrap(), ["8.8.8.8:80"]);
}
