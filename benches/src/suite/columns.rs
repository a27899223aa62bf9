//! What the suite's functions are called with: columns as a shop, an airline or a web server has them, the same in every run.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Decimal128Array, Float32Builder, Float64Array, Int64Array, ListBuilder, StringArray,
    TimestampMicrosecondArray,
};

/// Numbers that look like chance and are the same in every run (SplitMix64, by Sebastiano Vigna).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Less than `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// From `low` to `high`.
    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }
}

const FIRST: [&str; 16] = [
    "ada",
    "grace",
    "alan",
    "barbara",
    "edsger",
    "katherine",
    "linus",
    "margaret",
    "donald",
    "frances",
    "john",
    "radia",
    "ken",
    "shafi",
    "tim",
    "jo",
];
const LAST: [&str; 16] = [
    "lovelace",
    "hopper",
    "turing",
    "liskov",
    "dijkstra",
    "johnson",
    "torvalds",
    "hamilton",
    "knuth",
    "allen",
    "backus",
    "perlman",
    "thompson",
    "goldwasser",
    "berners-lee",
    "ng",
];
const HOSTS: [&str; 8] = [
    "www.example.com",
    "shop.example.org",
    "example.net",
    "api.example.co.uk",
    "News.Example.com",
    "cdn.static-example.io",
    "en.m.encyclopedia.example.org",
    "localhost:8080",
];
const PATHS: [&str; 8] = [
    "/",
    "/index.html",
    "/products/shoes/running",
    "/search",
    "/v1/users/48213/orders",
    "/2024/05/17/an-article-about-databases",
    "/images/logo@2x.png",
    "/cart/checkout",
];
const TAGS: [&str; 12] = [
    "red",
    "green",
    "blue",
    "large",
    "small",
    "cotton",
    "wool",
    "sale",
    "new",
    "limited edition",
    "kids",
    "outdoor",
];
const ACTIONS: [&str; 5] = ["login", "logout", "view", "add_to_cart", "purchase"];

/// The arguments of each function.
pub fn all(rows: usize) -> Vec<(&'static str, Vec<ArrayRef>)> {
    let mut random = Random::new(1);
    let random = &mut random;
    let url = urls(rows, random);
    vec![
        (
            "net_price",
            vec![
                floats(rows, || random.between(1.0, 50_000.0).round() / 100.0),
                floats(rows, || random.below(30) as f64 / 100.0),
                floats(rows, || random.one_of(&[0.0, 0.07, 0.19])),
            ],
        ),
        (
            "great_circle_km",
            vec![
                floats(rows, || random.between(-60.0, 70.0)),
                floats(rows, || random.between(-180.0, 180.0)),
                floats(rows, || random.between(-60.0, 70.0)),
                floats(rows, || random.between(-180.0, 180.0)),
            ],
        ),
        (
            "geohash",
            vec![
                floats(rows, || random.between(-60.0, 70.0)),
                floats(rows, || random.between(-180.0, 180.0)),
            ],
        ),
        ("levenshtein", names(rows, random)),
        ("is_email", vec![emails(rows, random)]),
        ("json_user", vec![documents(rows, random)]),
        ("url_host", vec![url.clone()]),
        ("to_base64", vec![messages(rows, random)]),
        ("xxhash", vec![url.clone()]),
        ("round_to_cents", vec![amounts(rows, random)]),
        ("month_start", vec![moments(rows, random)]),
        ("dot", vec![vectors(rows, random), vectors(rows, random)]),
        (
            "split",
            vec![texts(rows, || {
                let tags: Vec<&str> = (0..1 + random.below(5))
                    .map(|_| random.one_of(&TAGS))
                    .collect();
                tags.join(",")
            })],
        ),
        ("delay_bucket", vec![delays(rows, random)]),
        ("parse_uuid", vec![uuids(rows, random)]),
        ("sha256", vec![url]),
    ]
}

fn floats(rows: usize, mut value: impl FnMut() -> f64) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values((0..rows).map(|_| value())))
}

fn texts(rows: usize, mut value: impl FnMut() -> String) -> ArrayRef {
    Arc::new(StringArray::from_iter_values((0..rows).map(|_| value())))
}

/// Names, and the same names with a typing error or other ones.
fn names(rows: usize, random: &mut Random) -> Vec<ArrayRef> {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for _ in 0..rows {
        let name = format!("{} {}", random.one_of(&FIRST), random.one_of(&LAST));
        let other = match random.below(4) {
            0 => format!("{} {}", random.one_of(&FIRST), random.one_of(&LAST)),
            1 => name.replacen('e', "", 1),
            2 => name.replace('a', "e"),
            _ => format!("{name}s"),
        };
        left.push(name);
        right.push(other);
    }
    vec![
        Arc::new(StringArray::from(left)),
        Arc::new(StringArray::from(right)),
    ]
}

/// Addresses, and every fifth one with a fault.
fn emails(rows: usize, random: &mut Random) -> ArrayRef {
    texts(rows, || {
        let (first, last) = (random.one_of(&FIRST), random.one_of(&LAST));
        match random.below(10) {
            0 => format!("{first}.{last}@localhost"),
            1 => format!("{first} {last}@example.org"),
            2..=5 => format!("{first}.{last}@example.org"),
            6 | 7 => format!("{first}{}@mail.example.co.uk", random.below(1000)),
            _ => format!("{last}+news@example.com"),
        }
    })
}

/// What a web server logs of an event.
fn documents(rows: usize, random: &mut Random) -> ArrayRef {
    texts(rows, || {
        format!(
            r#"{{"id":{},"time":"2024-05-{:02}T{:02}:{:02}:07Z","action":"{}","user":"{}.{}","session":{{"ip":"10.1.{}.{}","new":{}}},"amount":{}.{:02},"tags":["{}","{}"]}}"#,
            random.below(10_000_000),
            1 + random.below(31),
            random.below(24),
            random.below(60),
            random.one_of(&ACTIONS),
            random.one_of(&FIRST),
            random.one_of(&LAST),
            random.below(256),
            random.below(256),
            random.below(2) == 0,
            random.below(500),
            random.below(100),
            random.one_of(&TAGS),
            random.one_of(&TAGS),
        )
    })
}

fn urls(rows: usize, random: &mut Random) -> ArrayRef {
    texts(rows, || {
        let scheme = random.one_of(&["https", "https", "https", "http"]);
        let (host, path) = (random.one_of(&HOSTS), random.one_of(&PATHS));
        match random.below(3) {
            0 => format!("{scheme}://{host}{path}"),
            1 => format!(
                "{scheme}://{host}{path}?q={}&page={}",
                random.one_of(&TAGS).replace(' ', "+"),
                random.below(20)
            ),
            _ => format!(
                "{scheme}://{host}{path}?utm_source=newsletter&id={:x}#top",
                random.next() >> 24
            ),
        }
    })
}

/// Short messages.
fn messages(rows: usize, random: &mut Random) -> ArrayRef {
    texts(rows, || {
        format!(
            "{} {} wants {} {} {} items",
            random.one_of(&FIRST),
            random.one_of(&LAST),
            random.below(100),
            random.one_of(&TAGS),
            random.one_of(&TAGS)
        )
    })
}

/// Amounts with six places, some of them negative.
fn amounts(rows: usize, random: &mut Random) -> ArrayRef {
    let values = (0..rows).map(|_| random.below(200_000_000_000) as i128 - 20_000_000_000);
    let amounts = Decimal128Array::from_iter_values(values).with_precision_and_scale(18, 6);
    Arc::new(amounts.expect("amounts are a type"))
}

/// Moments of a quarter of a century.
fn moments(rows: usize, random: &mut Random) -> ArrayRef {
    const FROM: i64 = 978_307_200_000_000;
    const MICROS: usize = 25 * 365 * 86_400 * 1_000_000;
    let values = (0..rows).map(|_| FROM + random.below(MICROS) as i64);
    Arc::new(TimestampMicrosecondArray::from_iter_values(values))
}

/// Vectors of 64 numbers.
fn vectors(rows: usize, random: &mut Random) -> ArrayRef {
    let mut builder = ListBuilder::with_capacity(Float32Builder::with_capacity(64 * rows), rows);
    for _ in 0..rows {
        for _ in 0..64 {
            builder
                .values()
                .append_value(random.between(-1.0, 1.0) as f32);
        }
        builder.append(true);
    }
    Arc::new(builder.finish())
}

/// Minutes, most of them few.
fn delays(rows: usize, random: &mut Random) -> ArrayRef {
    let values = (0..rows).map(|_| {
        let spread = random.one_of(&[20, 20, 20, 60, 300]);
        random.below(spread) as i64 - 12
    });
    Arc::new(Int64Array::from_iter_values(values))
}

/// UUIDs, one of a hundred of which has a fault.
fn uuids(rows: usize, random: &mut Random) -> ArrayRef {
    texts(rows, || {
        let (high, low) = (random.next(), random.next());
        let text = format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            low >> 48 & 0xfff,
            low & 0xffff_ffff_ffff
        );
        match random.below(100) {
            0 => text.replace('4', "g"),
            _ => text,
        }
    })
}
