//! Which paths a pattern means, against an oracle that knows no states.

use proptest::prelude::*;

use super::assert_fails;
use crate::host::error::Status;
use crate::host::file::pattern::Pattern;

#[track_caller]
fn parse(pattern: &str) -> (String, Pattern) {
    let (root, pattern) = Pattern::parse(pattern).unwrap();
    (root.join("/"), pattern)
}

fn components(path: &str) -> Vec<&str> {
    path.split('/')
        .filter(|component| !component.is_empty())
        .collect()
}

#[test]
fn the_root_ends_where_wildcards_begin() {
    for (pattern, root) in [
        ("/etc/app/rates.csv", "etc/app"),
        ("/rates.csv", ""),
        ("/**", ""),
        ("/data/**", "data"),
        ("/data/a*/b", "data"),
        ("/data/a?b/**", "data"),
        ("/data/[ab]/x", "data"),
        ("/data/{a,b}/x", "data"),
        ("/data/a\\*/x", "data"),
        ("/data/**/x/*.csv", "data"),
    ] {
        assert_eq!(parse(pattern).0, root, "{pattern}");
    }
}

#[test]
fn a_pattern_means_what_it_says() {
    for (pattern, yes, no) in [
        (
            "/d/a.csv",
            &["a.csv"][..],
            &["", "b.csv", "a.csv/b", "A.csv", "a_csv"][..],
        ),
        (
            "/d/*.csv",
            &["a.csv", ".csv", ".hidden.csv"],
            &["", "a.txt", "s/a.csv", "a.csv/b"],
        ),
        ("/d/**", &["a", "a/b", "a/b/c"], &[""]),
        ("/d/**/x", &["x", "a/x", "a/b/x", "x/x"], &["", "a", "x/a"]),
        (
            "/d/**/a/**",
            &["a/b", "x/a/b", "a/a", "a/a/a"],
            &["a", "b/a", "x/y"],
        ),
        ("/d/**/**", &["a", "a/b"], &[""]),
        ("/d/a?c", &["abc", "a.c"], &["ac", "a/c", "abbc"]),
        ("/d/[ab]", &["a", "b"], &["c", "ab", "[ab]"]),
        ("/d/[!a]x", &["bx"], &["ax", "/x", "b/x"]),
        ("/d/a[!x]b", &["ayb"], &["a/b", "axb"]),
        (
            "/d/{a,b*}.csv",
            &["a.csv", "bb.csv"],
            &["c.csv", "{a,b*}.csv"],
        ),
        ("/d/\\*", &["*"], &["a", "\\*"]),
        ("/d/a.+()|^$", &["a.+()|^$"], &["aa", "ab"]),
        ("/d/*/b", &["a/b"], &["b", "a/a/b", "a/c"]),
    ] {
        let pattern_of = parse(pattern).1;
        for path in yes {
            assert!(pattern_of.matches(&components(path)), "{pattern} {path}");
        }
        for path in no {
            assert!(!pattern_of.matches(&components(path)), "{pattern} {path}");
        }
    }
}

#[test]
fn folders_lead_on_if_a_file_in_them_can_be_meant() {
    for (pattern, yes, no) in [
        ("/d/a.csv", &[""][..], &["a.csv", "x"][..]),
        ("/d/*.csv", &[""], &["a.csv", "x"]),
        ("/d/**", &["", "a", "a/b"], &[]),
        ("/d/*/b/*.csv", &["", "a", "a/b"], &["a/c", "a/b/c"]),
        ("/d/**/x", &["", "a", "a/b", "x"], &[]),
        ("/d/a*/**", &["", "a", "ab", "ab/c"], &["b", "b/a"]),
    ] {
        let pattern_of = parse(pattern).1;
        for path in yes {
            assert!(pattern_of.leads_on(&components(path)), "{pattern} {path}");
        }
        for path in no {
            assert!(!pattern_of.leads_on(&components(path)), "{pattern} {path}");
        }
    }
}

#[test]
fn patterns_that_make_no_sense_are_refused() {
    for pattern in [
        "",
        "/",
        "data/**",
        "./data/**",
        "~/data",
        "/data/",
        "/data/../etc/*",
        "/data/./*",
        "/data//*",
        "/data/\0",
        "/data/**.csv",
        "/data/a**",
        "/data/***",
        "/data/[a",
        "/data/{a,b",
        "/data/a}",
        "/data/{a/b,c}",
        "/data/[a/b]",
        "/data/a\\",
        "/data/[z-a]",
    ] {
        assert_fails(Status::Invalid, "", Pattern::parse(pattern));
    }
}

/// Matches by trying everything.
fn oracle(parts: &[&str], path: &[&str]) -> bool {
    match (parts, path) {
        ([], []) => true,
        (["**"], [_, ..]) => true,
        (["**"], []) | ([], _) => false,
        (["**", parts @ ..], _) => (0..=path.len()).any(|n| oracle(parts, &path[n..])),
        ([part, parts @ ..], [name, path @ ..]) => {
            (*part == "*" || part == name) && oracle(parts, path)
        }
        (_, []) => false,
    }
}

proptest! {
    #[test]
    fn states_and_trying_agree(
        parts in prop::collection::vec(prop::sample::select(vec!["a", "b", "*", "**"]), 1..6),
        path in prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 0..6),
    ) {
        // Begins with a wildcard, so that nothing becomes part of the root.
        let parts: Vec<&str> = ["**"].into_iter().chain(parts).collect();
        let pattern = parse(&format!("/{}", parts.join("/"))).1;
        prop_assert_eq!(pattern.matches(&path), oracle(&parts, &path));
        // A folder leads on if some path beneath it matches: short ones show it.
        let names = ["a", "b", "c"];
        let mut beneath: Vec<Vec<&str>> = vec![path.clone()];
        let mut leads = false;
        for _ in 0..parts.len() {
            beneath = beneath.iter().flat_map(|path| {
                names.map(|name| path.iter().copied().chain([name]).collect())
            }).collect();
            leads |= beneath.iter().any(|path| oracle(&parts, path));
            if leads { break; }
        }
        prop_assert_eq!(pattern.leads_on(&path), leads);
    }
}
