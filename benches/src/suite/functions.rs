//! The suite's functions as native ones of DataFusion: each calls the same Rust function as the plugin.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, PrimitiveArray};
use arrow::datatypes::{
    DataType, Decimal128Type, Field, Float32Type, Float64Type, Int64Type, TimeUnit,
    TimestampMicrosecondType, UInt64Type,
};
use datafusion::logical_expr::ScalarUDF;
use suite::{codes, numbers, places, text};
use wasmfusion_udf::prelude::{Decimal, Timestamp};

use super::native;
use crate::native as function;

const MOMENT: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

/// What computes a function natively.
type Native = fn(&[ArrayRef]) -> ArrayRef;

/// All of them, with `native_` in front of the plugin's names.
pub fn natives() -> Vec<ScalarUDF> {
    let list = |element| DataType::List(Arc::new(Field::new_list_field(element, true)));
    let (float, int, utf8) = (DataType::Float64, DataType::Int64, DataType::Utf8);
    let decimal = |scale| DataType::Decimal128(18, scale);
    let all: Vec<(&str, Vec<DataType>, DataType, Native)> = vec![
        (
            "net_price",
            vec![float.clone(); 3],
            float.clone(),
            net_price,
        ),
        (
            "great_circle_km",
            vec![float.clone(); 4],
            float.clone(),
            great_circle_km,
        ),
        ("geohash", vec![float; 2], utf8.clone(), geohash),
        (
            "levenshtein",
            vec![utf8.clone(); 2],
            int.clone(),
            levenshtein,
        ),
        ("is_email", vec![utf8.clone()], DataType::Boolean, is_email),
        ("json_user", vec![utf8.clone()], utf8.clone(), json_user),
        ("url_host", vec![utf8.clone()], utf8.clone(), url_host),
        ("to_base64", vec![utf8.clone()], utf8.clone(), to_base64),
        ("xxhash", vec![utf8.clone()], DataType::UInt64, xxhash),
        (
            "round_to_cents",
            vec![decimal(6)],
            decimal(2),
            round_to_cents,
        ),
        ("month_start", vec![MOMENT], MOMENT, month_start),
        (
            "dot",
            vec![list(DataType::Float32); 2],
            DataType::Float32,
            dot,
        ),
        ("split", vec![utf8.clone()], list(utf8.clone()), split),
        ("delay_bucket", vec![int], utf8.clone(), delay_bucket),
        (
            "parse_uuid",
            vec![utf8.clone()],
            DataType::FixedSizeBinary(16),
            parse_uuid,
        ),
        ("sha256", vec![utf8], DataType::FixedSizeBinary(32), sha256),
    ];
    let all = all.into_iter();
    all.map(|(name, params, returns, compute)| {
        function(&format!("native_{name}"), params, returns, compute)
    })
    .collect()
}

// Cheap arithmetic is done for all rows, those with NULLs too, as arrow's own kernels do it.
fn net_price(columns: &[ArrayRef]) -> ArrayRef {
    let column = |place: usize| columns[place].as_primitive::<Float64Type>().values();
    let prices: Vec<f64> = (column(0).iter().zip(column(1)).zip(column(2)))
        .map(|((price, discount), tax)| numbers::net_price(*price, *discount, *tax))
        .collect();
    let nulls = native::nulls(columns);
    Arc::new(PrimitiveArray::<Float64Type>::new(prices.into(), nulls))
}

fn great_circle_km(columns: &[ArrayRef]) -> ArrayRef {
    let column = |place: usize| columns[place].as_primitive::<Float64Type>().values();
    let (lat1, lon1, lat2, lon2) = (column(0), column(1), column(2), column(3));
    native::numbers::<Float64Type>(lat1.len(), native::nulls(columns), |row| {
        places::great_circle_km(lat1[row], lon1[row], lat2[row], lon2[row])
    })
}

fn geohash(columns: &[ArrayRef]) -> ArrayRef {
    let column = |place: usize| columns[place].as_primitive::<Float64Type>().values();
    let (lat, lon) = (column(0), column(1));
    let (nulls, bytes) = (native::nulls(columns), places::GEOHASH_LENGTH);
    native::written(lat.len(), nulls, bytes, |row, builder| {
        builder.append_value(places::cell(
            lat[row],
            lon[row],
            &mut [0; places::GEOHASH_LENGTH],
        ));
    })
}

fn levenshtein(columns: &[ArrayRef]) -> ArrayRef {
    let (left, right) = (native::text(&columns[0]), native::text(&columns[1]));
    native::numbers::<Int64Type>(left.len(), native::nulls(columns), |row| {
        text::levenshtein(left.value(row), right.value(row))
    })
}

fn is_email(columns: &[ArrayRef]) -> ArrayRef {
    let texts = native::text(&columns[0]);
    native::truths(texts.len(), native::nulls(columns), |row| {
        text::is_email(texts.value(row))
    })
}

fn json_user(columns: &[ArrayRef]) -> ArrayRef {
    let texts = native::text(&columns[0]);
    native::texts(texts.len(), native::nulls(columns), 16, |row| {
        text::json_user(texts.value(row))
    })
}

fn url_host(columns: &[ArrayRef]) -> ArrayRef {
    let texts = native::text(&columns[0]);
    native::texts(texts.len(), native::nulls(columns), 16, |row| {
        text::url_host(texts.value(row))
    })
}

fn to_base64(columns: &[ArrayRef]) -> ArrayRef {
    let texts = native::text(&columns[0]);
    native::texts(texts.len(), native::nulls(columns), 64, |row| {
        Some(codes::to_base64(texts.value(row)))
    })
}

fn xxhash(columns: &[ArrayRef]) -> ArrayRef {
    let texts = native::text(&columns[0]);
    native::numbers::<UInt64Type>(texts.len(), native::nulls(columns), |row| {
        codes::xxhash(texts.value(row))
    })
}

fn round_to_cents(columns: &[ArrayRef]) -> ArrayRef {
    let amounts = columns[0].as_primitive::<Decimal128Type>().values();
    let rounded = native::numbers::<Decimal128Type>(amounts.len(), native::nulls(columns), |row| {
        let amount = Decimal::new(amounts[row]).expect("the column has no more digits");
        let cents = numbers::round_to_cents(amount).expect("rounding does not add so many digits");
        cents.unscaled()
    });
    let rounded: Decimal128Array = rounded.as_primitive::<Decimal128Type>().clone();
    Arc::new(
        rounded
            .with_precision_and_scale(18, 2)
            .expect("cents are a type"),
    )
}

fn month_start(columns: &[ArrayRef]) -> ArrayRef {
    let moments = columns[0]
        .as_primitive::<TimestampMicrosecondType>()
        .values();
    native::numbers::<TimestampMicrosecondType>(moments.len(), native::nulls(columns), |row| {
        let start = numbers::month_start(Timestamp::new(moments[row]));
        start.expect("it is within the calendar").count()
    })
}

fn dot(columns: &[ArrayRef]) -> ArrayRef {
    let (left, right) = (columns[0].as_list::<i32>(), columns[1].as_list::<i32>());
    let left_elements = left.values().as_primitive::<Float32Type>().values();
    let right_elements = right.values().as_primitive::<Float32Type>().values();
    let (left, right) = (left.value_offsets(), right.value_offsets());
    let span = |offsets: &[i32], row: usize| offsets[row] as usize..offsets[row + 1] as usize;
    native::numbers::<Float32Type>(left.len() - 1, native::nulls(columns), |row| {
        let (left, right) = (span(left, row), span(right, row));
        numbers::dot(&left_elements[left], &right_elements[right]).expect("lists of one length")
    })
}

fn split(columns: &[ArrayRef]) -> ArrayRef {
    let texts = native::text(&columns[0]);
    let nulls = native::nulls(columns);
    Arc::new(native::lists(texts.len(), nulls, 24, |row| {
        text::parts(texts.value(row))
    }))
}

fn delay_bucket(columns: &[ArrayRef]) -> ArrayRef {
    let minutes = columns[0].as_primitive::<Int64Type>().values();
    native::texts(minutes.len(), native::nulls(columns), 9, |row| {
        Some(numbers::delay_bucket(minutes[row]))
    })
}

fn parse_uuid(columns: &[ArrayRef]) -> ArrayRef {
    let texts = native::text(&columns[0]);
    native::fixed_bytes(texts.len(), native::nulls(columns), |row| {
        codes::parse_uuid(texts.value(row))
    })
}

fn sha256(columns: &[ArrayRef]) -> ArrayRef {
    let texts = native::text(&columns[0]);
    native::fixed_bytes(texts.len(), native::nulls(columns), |row| {
        Some(codes::sha256(texts.value(row)))
    })
}
