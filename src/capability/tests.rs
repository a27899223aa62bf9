//! What capabilities mean, said by examples.

use super::*;

fn capability(text: &str) -> Capability {
    text.parse().unwrap_or_else(|e| panic!("{e}"))
}

fn problem(text: &str) -> String {
    match text.parse::<Capability>() {
        Ok(_) => panic!("`{text}` is taken as a capability"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn capabilities_are_written_as_they_are_read() {
    for text in [
        "log",
        "metric:emit",
        "clock",
        "random",
        "config",
        "secret:api_key",
        "env:APP_*",
        "fs:read:/etc/app/**",
        "fs:write:/var/spool/app/{a,b}.csv",
        "table:read:rates_*",
        "table:write:*",
        "vector:search:places",
        "net:http:api.example.com:443",
        "net:http:*.example.com:80,443",
        "net:connect:10.0.0.0/8:8000-8099",
        "net:connect:[fd00::/8]:*",
        "net:connect:[::1]:5432",
        "exec:/usr/bin/sort",
        "exec:sort",
        "observe:query",
        "observe:operator",
        "observe:call",
        "observe:audit",
        "observe:metric",
        "observe:span",
    ] {
        assert_eq!(capability(text).to_string(), text);
    }
}

#[test]
fn what_is_no_capability_is_told_apart() {
    assert!(problem("logs").contains("there are log, metric:emit"));
    assert!(problem("").contains("there are log, metric:emit"));
    assert!(problem("observe:secrets").contains("there are log, metric:emit"));
    assert!(problem("observe:query:x").contains("write `observe:query`"));
    assert!(problem("log:x").contains("write `log`"));
    assert!(problem("table:read").contains("write `table:read:rates_*`"));
    assert!(problem("table:read:").contains("the pattern is missing"));
    assert!(problem("fs:read:data/**").contains("start it with `/`"));
    assert!(problem("fs:read:/data/../etc/*").contains("`..`"));
    assert!(problem("fs:read:/data//x").contains("empty part"));
    assert!(problem("exec:bin/sort").contains("absolute"));
    assert!(problem("net:http:example.com").contains("the port is missing"));
    assert!(problem("net:http::443").contains("the host is missing"));
    assert!(problem("net:http:http://example.com:443").contains("neither a host's name"));
    assert!(problem("net:http:example.com:https").contains("`https` is not a port"));
    assert!(problem("net:http:example.com:90-80").contains("smaller one first"));
    assert!(problem("net:http:example.com:70000").contains("not a port"));
    assert!(problem("net:http:[::1:443").contains("brackets"));
    assert!(problem("table:read:[a").contains("cannot be read"));
    assert!(problem("env:A\nB").contains("control characters"));
    assert!(problem(&format!("env:{}", "x".repeat(300))).contains("bytes"));
}

#[test]
fn a_grant_covers_what_is_part_of_it() {
    let covers =
        |granted: &str, requested: &str| capability(granted).covers(&capability(requested));
    for (granted, requested) in [
        ("log", "log"),
        ("table:read:*", "table:read:rates"),
        ("table:read:rates_*", "table:read:rates_2*"),
        ("fs:read:/data/**", "fs:read:/data/a/*.csv"),
        ("fs:read:/data/*.csv", "fs:read:/data/a.csv"),
        ("net:http:*:*", "net:http:example.com:443"),
        (
            "net:http:*.example.com:1-500",
            "net:http:api.example.com:80,443",
        ),
        ("net:connect:10.0.0.0/8:*", "net:connect:10.1.0.0/16:22"),
        ("exec:*", "exec:sort"),
    ] {
        assert!(covers(granted, requested), "{granted} covers {requested}");
    }
    for (granted, requested) in [
        ("log", "clock"),
        ("table:read:*", "table:write:rates"),
        ("table:read:rates", "table:read:*"),
        ("table:read:rates_*", "table:read:rates"),
        ("fs:read:/data/*", "fs:read:/data/**"),
        ("fs:read:/data/*", "fs:read:/data/a/b"),
        ("net:http:example.com:443", "net:http:example.com:*"),
        ("net:http:*.example.com:443", "net:http:example.com:443"),
        ("net:http:*:443", "net:http:10.0.0.1:443"),
        ("net:connect:10.1.0.0/16:*", "net:connect:10.0.0.0/8:22"),
        ("exec:*", "exec:/usr/bin/sort"),
    ] {
        assert!(
            !covers(granted, requested),
            "{granted} does not cover {requested}"
        );
    }
}

fn permissions(requested: &[&str], granted: &[&str]) -> Permissions {
    let list = |texts: &[&str]| {
        texts
            .iter()
            .map(|text| capability(text))
            .collect::<Vec<_>>()
    };
    Permissions::new(&list(requested), &list(granted).into_iter().collect())
}

#[test]
fn a_call_needs_the_request_and_the_grant() {
    let permissions = permissions(
        &["log", "table:read:rates_*", "clock"],
        &["log", "table:read:*", "random"],
    );
    assert!(permissions.allows(CapabilityKind::Log));
    assert!(!permissions.allows(CapabilityKind::Clock));
    assert!(!permissions.allows(CapabilityKind::Random));
    assert!(permissions.allows_name(CapabilityKind::TableRead, "rates_2026"));
    assert!(!permissions.allows_name(CapabilityKind::TableRead, "salaries"));
    assert!(!permissions.allows_name(CapabilityKind::TableWrite, "rates_2026"));
}

#[test]
fn hosts_are_told_apart_by_name_address_and_port() {
    const HTTP: CapabilityKind = CapabilityKind::NetHttp;
    let patterns = ["net:http:*.Example.com:443", "net:http:127.0.0.0/8:8080"];
    let permissions = permissions(&patterns, &patterns);
    assert!(permissions.allows_host(HTTP, "api.example.com", 443));
    assert!(permissions.allows_host(HTTP, "API.EXAMPLE.COM.", 443));
    assert!(!permissions.allows_host(HTTP, "api.example.com", 80));
    assert!(!permissions.allows_host(HTTP, "example.com.evil.org", 443));
    assert!(!permissions.allows_host(CapabilityKind::NetConnect, "api.example.com", 443));
    assert!(permissions.allows_host(HTTP, "127.0.0.1", 8080));
    assert!(permissions.allows_host(HTTP, "[::ffff:127.0.0.1]", 8080));
    let address = |text: &str| text.parse().expect("an address");
    assert!(permissions.allows_address(HTTP, address("127.0.0.1"), 8080));
    assert!(permissions.allows_address(HTTP, address("::ffff:127.0.0.1"), 8080));
    assert!(!permissions.allows_address(HTTP, address("127.0.0.1"), 443));
    assert!(!permissions.allows_address(HTTP, address("10.0.0.1"), 8080));
}

#[test]
fn presets_grant_what_they_say() {
    assert!(Grants::from(Preset::Nothing).capabilities().is_empty());
    assert_eq!(
        Grants::from(Preset::Observability).to_string(),
        "log, metric:emit"
    );
    assert_eq!(
        Grants::from(Preset::ReadOnly).to_string(),
        "log, metric:emit, config, clock, table:read:*, vector:search:*"
    );
}

#[test]
fn what_everybody_is_granted_widens_no_request() {
    let mut grants = Grants::default();
    let everybodys = Grants::default()
        .grant("net:http:*:443")
        .and_then(|grants| grants.grant("net:http:10.0.0.0/8:443"))
        .and_then(|grants| grants.grant("log"))
        .expect("capabilities");
    let requested = ["net:http:api.example.com:443"
        .parse()
        .expect("a capability")];
    grants.add_needed(&everybodys, &requested);
    assert_eq!(grants.to_string(), "net:http:*:443");
    let permissions = Permissions::new(&requested, &grants);
    let private = "10.0.0.5".parse().expect("an address");
    assert!(permissions.allows_host(CapabilityKind::NetHttp, "api.example.com", 443));
    assert!(!permissions.allows_address(CapabilityKind::NetHttp, private, 443));
}

#[test]
fn a_dot_alone_is_no_host() {
    for text in ["net:http:.:*", "net:connect:..:443", "net:http::443"] {
        assert!(problem(text).contains("the host is missing"), "{text}");
    }
}
