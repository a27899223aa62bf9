//! The shapes in which a guest of each kind is called. In all of them, a function that behaves well returns the same value in every row.

use libtest_mimic::Failed;

/// A query, with a name for the comments in guests.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
    /// Whether it ends even if a table does not.
    pub(crate) limited: bool,
}

/// The queries for one kind of function.
pub(crate) struct Shapes {
    /// A statement that comes first.
    pub(crate) setting: Option<&'static str>,
    pub(crate) shapes: &'static [Shape],
    /// Queries that return nothing, so that the guest need not be called at all.
    pub(crate) no_rows: &'static [&'static str],
}

impl Shapes {
    /// The shapes for a kind, as a guest's comment spells it; those of scalar functions if there is none.
    pub(crate) fn of(kind: Option<&str>) -> Result<&'static Self, Failed> {
        match kind {
            None => Ok(&SCALAR),
            Some("aggregate") => Ok(&AGGREGATE),
            Some("window") => Ok(&WINDOW),
            Some("ranked") => Ok(&RANKED),
            Some("table") => Ok(&TABLE),
            Some(kind) => Err(format!("there are no functions of kind `{kind}`").into()),
        }
    }
}

const fn shape(name: &'static str, sql: &'static str) -> Shape {
    Shape {
        name,
        sql,
        limited: false,
    }
}

const fn limited(name: &'static str, sql: &'static str) -> Shape {
    Shape {
        name,
        sql,
        limited: true,
    }
}

/// A constant, many rows in several batches, and rows with NULL.
static SCALAR: Shapes = Shapes {
    setting: None,
    shapes: &[
        shape("constant", "SELECT evil(1)"),
        shape("rows", "SELECT evil(value) FROM range(0, 20000)"),
        shape(
            "nulls",
            "SELECT evil(CASE WHEN value % 3 = 0 THEN value END) FROM range(0, 100)",
        ),
    ],
    no_rows: &["SELECT evil(value) FROM range(0, 10) WHERE value > 100"],
};

/// Every operation is reached in one of them, and each way in which DataFusion holds states.
static AGGREGATE: Shapes = Shapes {
    // Partial states of single rows are made as soon as there are many groups.
    setting: Some("SET datafusion.execution.skip_partial_aggregation_probe_rows_threshold = 0"),
    shapes: &[
        shape("constant", "SELECT evil(1)"),
        shape("rows", "SELECT evil(value) FROM range(0, 20000)"),
        shape(
            "nulls",
            "SELECT evil(CASE WHEN value % 3 = 0 THEN value END) FROM range(0, 20000)",
        ),
        shape(
            "nothing",
            "SELECT evil(value) FROM range(0, 10) WHERE value > 100",
        ),
        shape(
            "filter",
            "SELECT evil(value) FILTER (WHERE value % 3 = 0) FROM range(0, 20000)",
        ),
        shape(
            "distinct",
            // With a function beside it, DataFusion does not make groups of the distinct values.
            "SELECT evil(DISTINCT value % 7), avg(value) FROM range(0, 20000)",
        ),
        shape(
            "groups",
            "SELECT evil(value) FROM range(0, 20000) GROUP BY value % 5",
        ),
        shape(
            "distinct_groups",
            "SELECT evil(DISTINCT value), avg(value) FROM range(0, 4000) GROUP BY value % 2000",
        ),
        shape(
            "many_groups",
            "SELECT evil(value) FROM range(0, 20000) GROUP BY value % 20000",
        ),
        shape(
            "converted",
            "SELECT evil(value) FROM range(0, 100000) GROUP BY value % 100000",
        ),
        // The rows come in the order of the groups, which are emitted as they end.
        shape(
            "sorted_groups",
            "SELECT evil(value) FROM range(0, 20000) GROUP BY value",
        ),
        shape(
            "correlated",
            "SELECT (SELECT evil(r.value) FROM range(0, 10) AS r WHERE r.value = t.value) FROM range(5, 12) AS t",
        ),
        shape(
            "sliding",
            "SELECT evil(value) OVER (ORDER BY value ROWS BETWEEN 10 PRECEDING AND CURRENT ROW) FROM range(0, 1000)",
        ),
        shape(
            "running",
            "SELECT evil(value) OVER (PARTITION BY value % 100 ORDER BY value) FROM range(0, 1000)",
        ),
        shape(
            "partitions",
            "SELECT evil(value) OVER (PARTITION BY value % 500) FROM range(0, 1000)",
        ),
    ],
    no_rows: &["SELECT evil(value) FROM range(0, 10) WHERE value > 100 GROUP BY value"],
};

/// Of all modes but one.
static WINDOW: Shapes = Shapes {
    setting: None,
    shapes: &[
        shape("all", "SELECT evil(value) OVER () FROM range(0, 2000)"),
        shape(
            "ordered",
            "SELECT evil(value) OVER (ORDER BY value) FROM range(0, 20000)",
        ),
        shape(
            "partitions",
            "SELECT evil(value) OVER (PARTITION BY value % 500) FROM range(0, 2000)",
        ),
        shape(
            "ordered_partitions",
            "SELECT evil(value) OVER (PARTITION BY value % 500 ORDER BY value) FROM range(0, 2000)",
        ),
        shape(
            "frames",
            "SELECT evil(value) OVER (ORDER BY value ROWS BETWEEN 2 PRECEDING AND 2 FOLLOWING) FROM range(0, 20000)",
        ),
        shape(
            "backwards",
            "SELECT evil(value) OVER (ORDER BY value ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) FROM range(0, 2000)",
        ),
        shape(
            "nulls",
            "SELECT evil(CASE WHEN value % 3 = 0 THEN value END) OVER (ORDER BY value) FROM range(0, 100)",
        ),
    ],
    no_rows: &["SELECT evil(value) OVER (ORDER BY value) FROM range(0, 10) WHERE value > 100"],
};

/// Functions that know the peers of each row have no arguments.
static RANKED: Shapes = Shapes {
    setting: None,
    shapes: &[
        shape("all", "SELECT evil() OVER () FROM range(0, 2000)"),
        shape(
            "ordered",
            "SELECT evil() OVER (ORDER BY value / 3) FROM range(0, 20000)",
        ),
        shape(
            "ordered_partitions",
            "SELECT evil() OVER (PARTITION BY value % 500 ORDER BY value / 1000) FROM range(0, 2000)",
        ),
    ],
    no_rows: &["SELECT evil() OVER (ORDER BY value) FROM range(0, 10) WHERE value > 100"],
};

/// A table with the columns `value` and `other`.
static TABLE: Shapes = Shapes {
    setting: None,
    shapes: &[
        shape("rows", "SELECT value FROM evil(1)"),
        limited("limit", "SELECT value FROM evil(1) LIMIT 2"),
        shape("projection", "SELECT other, value FROM evil(1 + 1)"),
        shape(
            "count",
            "SELECT CASE WHEN count(*) > 0 THEN 5 END FROM evil(1)",
        ),
        shape("filter", "SELECT value FROM evil(1) WHERE other = value"),
        shape(
            "join",
            "SELECT a.value FROM evil(1) AS a JOIN evil(2) AS b ON a.value = b.value",
        ),
        limited(
            "union",
            "SELECT value FROM (SELECT value FROM evil(1) UNION ALL SELECT value FROM evil(2)) LIMIT 4",
        ),
    ],
    no_rows: &[
        "SELECT value FROM evil(NULL)",
        "SELECT value FROM evil(1) LIMIT 0",
    ],
};
