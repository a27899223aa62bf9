//! What well-known kinds of tokens look like, as their issuers document it. What is searched is what cannot well be anything else.

use std::ops::Range;
use std::sync::{LazyLock, OnceLock};

use regex::bytes::{Regex, RegexBuilder};

use super::Unsearched;

/// A kind of token.
pub(super) struct Pattern {
    /// Words of which one must be in the text, without regard to case.
    pub(super) words: &'static [&'static str],
    /// Matches the token. If there is a group, only that is the secret.
    expression: &'static str,
    /// The same, compiled when one of the words is found for the first time: all of them take a millisecond, and few processes need many.
    regex: OnceLock<Result<Regex, regex::Error>>,
}

impl Pattern {
    /// Shows where the secrets in a text are.
    ///
    /// # Errors
    ///
    /// If the text cannot be searched.
    pub(super) fn find(
        &self,
        text: &str,
        mut show: impl FnMut(Range<usize>),
    ) -> Result<(), Unsearched> {
        let regex = self.regex.get_or_init(|| {
            let mut builder = RegexBuilder::new(self.expression);
            builder.unicode(false).build()
        });
        let regex = regex.as_ref().map_err(|_| Unsearched)?;
        for captures in regex.captures_iter(text.as_bytes()) {
            if let Some(secret) = captures.iter().skip(1).flatten().next().or(captures.get(0)) {
                show(secret.range());
            }
        }
        Ok(())
    }
}

/// Words and expression of each kind. Expressions are over bytes; `\b` and the like know ASCII only.
const KINDS: &[(&[&str], &str)] = &[
    // Amazon Web Services: ids of access keys.
    (
        &["akia", "asia", "abia", "acca"],
        r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b",
    ),
    // GitHub.
    (
        &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"],
        r"\bgh[pousr]_[A-Za-z0-9_]{20,}",
    ),
    (&["github_pat_"], r"\bgithub_pat_[A-Za-z0-9_]{20,}"),
    // GitLab: personal, deploy, runner, trigger, job, agent and feed tokens.
    (
        &[
            "glpat-", "gldt-", "glrt-", "glptt-", "glcbt-", "glagent-", "glft-", "glsoat-",
            "gloas-",
        ],
        r"\bgl(?:pat|dt|rt|ptt|cbt|agent|ft|soat|oas)-[A-Za-z0-9_.=-]{16,}",
    ),
    // Slack: tokens, and addresses that take messages.
    (
        &["xox", "xapp-"],
        r"\b(?:xox[a-z]|xoxe\.xox[a-z]|xapp)-[A-Za-z0-9-]{10,}",
    ),
    (
        &["hooks.slack.com"],
        r"hooks\.slack\.com/(?:services|workflows|triggers)/([A-Za-z0-9/_-]{20,})",
    ),
    // Stripe.
    (
        &["sk_live_", "rk_live_", "sk_test_", "rk_test_", "whsec_"],
        r"\b(?:[sr]k_(?:live|test)|whsec)_[A-Za-z0-9+/=]{16,}",
    ),
    // Google: keys of interfaces, access tokens, secrets of clients.
    (&["aiza"], r"\bAIza[A-Za-z0-9_-]{35}"),
    (&["ya29."], r"\bya29\.[A-Za-z0-9_-]{20,}"),
    (&["gocspx-"], r"\bGOCSPX-[A-Za-z0-9_-]{20,}"),
    // Registries of packages.
    (&["npm_"], r"\bnpm_[A-Za-z0-9]{36}"),
    (&["pypi-"], r"\bpypi-[A-Za-z0-9_-]{32,}"),
    // OpenAI, Anthropic and others that begin so.
    (&["sk-"], r"\bsk-[A-Za-z0-9_-]{20,}"),
    (&["hf_"], r"\bhf_[A-Za-z0-9]{30,}"),
    // SendGrid, Twilio, DigitalOcean, Shopify, Databricks, Vault, age.
    (&["sg."], r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    (&["sk"], r"\bSK[0-9a-f]{32}\b"),
    (
        &["dop_v1_", "doo_v1_", "dor_v1_"],
        r"\bdo[opr]_v1_[0-9a-f]{32,}",
    ),
    (
        &["shpat_", "shpca_", "shppa_", "shpss_"],
        r"\bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{32,}",
    ),
    (&["dapi"], r"\bdapi[0-9a-f]{32}"),
    (&["hvs.", "hvb."], r"\bhv[sb]\.[A-Za-z0-9_-]{20,}"),
    (&["age-secret-key-1"], r"\bAGE-SECRET-KEY-1[A-Z0-9]{40,}"),
    // JSON web tokens: header, claims, signature.
    (
        &["eyj"],
        r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
    ),
    // Private keys in PEM, to their end or that of the text.
    (
        &["private key"],
        r"(?s)-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\z)",
    ),
    // Headers of HTTP.
    (
        &["authorization"],
        r#"(?i)authorization\\?["']?\s*[:=]\s*\\?["']?(?:(?:basic|bearer|digest|negotiate|token|apikey)\s+)?([^\s"'\\,;]{4,})"#,
    ),
    (&["bearer"], r"(?i)\bbearer\s+([A-Za-z0-9._~+/=-]{16,})"),
    // Something that is called a password, in JSON, in configuration, in a query string.
    (
        &["password", "passwd", "passphrase", "pwd"],
        r#"(?i)(?:password|passwd|passphrase|\bpwd)\\?["']?\s*[:=]\s*\\?["']?([^\s"'\\,;&]+)"#,
    ),
    (
        &[
            "secret",
            "token",
            "api_key",
            "api-key",
            "apikey",
            "access_key",
            "accesskey",
            "accountkey",
            "private_key",
        ],
        r#"(?i)(?:secret|token|api[_-]?key|access_?key|accountkey|private_key)\\?["']?\s*[:=]\s*\\?["']?([^\s"'\\,;&]{8,})"#,
    ),
    // Passwords in addresses.
    (
        &["://"],
        r#"\b[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@"']*:([^\s/@"']+)@"#,
    ),
];

/// All kinds.
pub(super) fn all() -> &'static [Pattern] {
    static ALL: LazyLock<Vec<Pattern>> = LazyLock::new(|| {
        let pattern = |&(words, expression): &(&'static [&'static str], &'static str)| Pattern {
            words,
            expression,
            regex: OnceLock::new(),
        };
        KINDS.iter().map(pattern).collect()
    });
    &ALL
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_expression_can_be_compiled() {
        for pattern in all() {
            let found = pattern.find("nothing of interest", |_| {});
            assert!(found.is_ok(), "{}", pattern.expression);
        }
    }
}
