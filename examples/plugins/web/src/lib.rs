//! Parts of URLs, read as browsers read them (the WHATWG's URL standard). Text that is not a URL gives NULL.

use url::Url;
use wasmfusion_udf::prelude::*;

wasmfusion_udf::plugin! {}

/// Host of a URL, in small letters.
#[udf(example("SELECT url_host('https://user@Example.com:8080/a')", "example.com"))]
pub fn url_host(url: &str) -> Option<String> {
    Some(Url::parse(url).ok()?.host_str()?.to_owned())
}

/// Scheme of a URL, in small letters.
#[udf(example("SELECT url_scheme('HTTPS://example.com')", "https"))]
pub fn url_scheme(url: &str) -> Option<String> {
    Some(Url::parse(url).ok()?.scheme().to_owned())
}

/// Port of a URL, or the scheme's usual one.
#[udf(example("SELECT url_port('https://example.com')", "443"))]
pub fn url_port(url: &str) -> Option<i32> {
    Url::parse(url).ok()?.port_or_known_default().map(i32::from)
}

/// Path of a URL, with its escapes.
#[udf(example("SELECT url_path('https://example.com/a/../b?c=d')", "/b"))]
pub fn url_path(url: &str) -> Option<String> {
    Some(Url::parse(url).ok()?.path().to_owned())
}

/// Query of a URL, with its escapes; NULL if it has none.
#[udf(example("SELECT url_query('https://example.com/?a=b&c')", "a=b&c"))]
pub fn url_query(url: &str) -> Option<String> {
    Url::parse(url).ok()?.query().map(str::to_owned)
}

/// Fragment of a URL, what follows `#`; NULL if it has none.
#[udf(example("SELECT url_fragment('https://example.com/#top')", "top"))]
pub fn url_fragment(url: &str) -> Option<String> {
    Url::parse(url).ok()?.fragment().map(str::to_owned)
}

/// Value of the first parameter of this name in a URL's query, without escapes.
#[udf(example("SELECT url_param('https://example.com/?q=a%20b', 'q')", "a b"))]
pub fn url_param(url: &str, name: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let value = url.query_pairs().find(|(key, _)| key == name)?.1;
    Some(value.into_owned())
}

/// The URL that a link in a page means, given the page's own.
#[udf(example(
    "SELECT url_join('https://example.com/a/b', '../c')",
    "https://example.com/c"
))]
pub fn url_join(page: &str, link: &str) -> Option<String> {
    Some(Url::parse(page).ok()?.join(link).ok()?.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmfusion_udf::testing::call;

    const URL: &str = "HTTPS://user:pw@Bücher.Example:8080/a/./b%20c?q=1&q=2&e=%C3%A9+x#top";

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn takes_urls_apart() {
        assert_eq!(url_host(URL), some("xn--bcher-kva.example"));
        assert_eq!(url_scheme(URL), some("https"));
        assert_eq!(url_port(URL), Some(8080));
        assert_eq!(url_port("http://[::1]/"), Some(80));
        assert_eq!(url_path(URL), some("/a/b%20c"));
        assert_eq!(url_query(URL), some("q=1&q=2&e=%C3%A9+x"));
        assert_eq!(url_fragment(URL), some("top"));
        assert_eq!(url_param(URL, "q"), some("1"));
        assert_eq!(url_param(URL, "e"), some("é x"));
        assert_eq!(url_param(URL, "z"), None);
        assert_eq!(
            url_join("https://example.com/a/b", "../c"),
            some("https://example.com/c")
        );
    }

    #[test]
    fn gives_null_for_other_text() {
        let run = call!(url_host)
            .column(["", "example.com", "mailto:a@b.c", "http://"])
            .run();
        assert_eq!(run, Ok(vec![None::<String>; 4]));
    }
}
