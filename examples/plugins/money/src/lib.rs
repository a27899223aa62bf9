//! Exact arithmetic with amounts of money: nothing here is a floating-point number.

use wasmfusion_udf::prelude::*;

wasmfusion_udf::plugin! {}

/// An amount with as many places as prices and rates need.
type Amount = Decimal<38, 6>;

/// An amount in the smallest coin.
type Cents = Decimal<38, 2>;

/// What an [`Amount`] of 1 is in units of its last digit.
const ONE: i128 = 1_000_000;

const TOO_LARGE: &str = "the amount has too many digits";

/// The amount rounded to so many decimal places, 0 to 6. A half goes to the even neighbour, as banks round.
#[udf(example("SELECT round_half_even(CAST(2.345 AS DECIMAL(10, 3)), 2)", "2.340000"))]
pub fn round_half_even(amount: Amount, places: i64) -> Result<Amount, &'static str> {
    let cut = match places {
        0..=6 => 10i128.pow(6 - places as u32),
        _ => return Err("the number of places is 0 to 6"),
    };
    Decimal::new(divide_half_even(amount.unscaled(), cut) * cut).ok_or(TOO_LARGE)
}

/// Value added tax on a net amount at a rate in per cent, rounded half to even to the cent.
#[udf(example("SELECT vat_on_net(CAST(19.99 AS DECIMAL(10, 2)), 19)", "3.80"))]
pub fn vat_on_net(net: Amount, percent: Amount) -> Result<Cents, &'static str> {
    let product = net
        .unscaled()
        .checked_mul(percent.unscaled())
        .ok_or(TOO_LARGE)?;
    // Six places each, and two for the per cent; two stay.
    cents(divide_half_even(product, 100 * ONE * ONE / 100))
}

/// Value added tax that a gross amount contains at a rate in per cent, rounded half to even to the cent.
#[udf(example("SELECT vat_in_gross(119, 19)", "19.00"))]
pub fn vat_in_gross(gross: Amount, percent: Amount) -> Result<Cents, &'static str> {
    let whole = 100 * ONE + percent.unscaled();
    if percent.unscaled() < 0 {
        return Err("the rate must not be negative");
    }
    let product = gross
        .unscaled()
        .checked_mul(percent.unscaled())
        .ok_or(TOO_LARGE)?;
    let divisor = whole.checked_mul(ONE / 100).ok_or(TOO_LARGE)?;
    cents(divide_half_even(product, divisor))
}

/// The amount in so many parts, which differ by a cent at most and add up to it. The larger ones come first.
#[udf(example("SELECT allocate(100, 3)", "[33.34, 33.33, 33.33]"))]
pub fn allocate(
    amount: Cents,
    parts: i64,
    out: &mut ListWriter<Cents>,
) -> Result<(), &'static str> {
    if !(1..=100_000).contains(&parts) {
        return Err("the number of parts is 1 to 100000");
    }
    let parts = i128::from(parts);
    let (each, rest) = (amount.unscaled() / parts, amount.unscaled() % parts);
    for part in 0..parts {
        let more = if part < rest.abs() { rest.signum() } else { 0 };
        out.push(Decimal::new(each + more).ok_or(TOO_LARGE)?);
    }
    Ok(())
}

/// The amount in parts by weight, which add up to it: what is left after rounding down goes, cent by cent, to the parts
/// that lost most.
#[udf(example("SELECT allocate_by(100, [1, 1, 1])", "[33.34, 33.33, 33.33]"))]
pub fn allocate_by(amount: Cents, weights: &[i64]) -> Result<Vec<Cents>, &'static str> {
    if weights.iter().any(|weight| *weight < 0) {
        return Err("a weight must not be negative");
    }
    let total: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
    if total == 0 {
        return Err("the weights must not all be zero");
    }
    let (sign, amount) = (amount.unscaled().signum(), amount.unscaled().abs());
    let mut parts = Vec::with_capacity(weights.len());
    let mut lost = Vec::with_capacity(weights.len());
    for (place, weight) in weights.iter().enumerate() {
        let product = amount.checked_mul(i128::from(*weight)).ok_or(TOO_LARGE)?;
        parts.push(product / total);
        lost.push((product % total, place));
    }
    let rest = amount - parts.iter().sum::<i128>();
    lost.sort_by(|one, other| other.0.cmp(&one.0).then(one.1.cmp(&other.1)));
    for (_, place) in lost.into_iter().take(rest as usize) {
        parts[place] += 1;
    }
    parts
        .into_iter()
        .map(|part| Decimal::new(sign * part).ok_or(TOO_LARGE))
        .collect()
}

fn cents(unscaled: i128) -> Result<Cents, &'static str> {
    Decimal::new(unscaled).ok_or(TOO_LARGE)
}

/// The quotient, rounded half to even. The divisor must be positive.
fn divide_half_even(dividend: i128, divisor: i128) -> i128 {
    let (quotient, rest) = (dividend.div_euclid(divisor), dividend.rem_euclid(divisor));
    let up = match (rest * 2).cmp(&divisor) {
        core::cmp::Ordering::Less => false,
        core::cmp::Ordering::Equal => quotient % 2 != 0,
        core::cmp::Ordering::Greater => true,
    };
    quotient + i128::from(up)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmfusion_udf::testing::call;

    fn amount(text: &str) -> Amount {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let digits: i128 = format!("{whole}{part:0<6}").parse().unwrap_or_default();
        Decimal::new(digits).unwrap_or_default()
    }

    fn in_cents(text: &str) -> Cents {
        Decimal::new(amount(text).unscaled() / 10_000).unwrap_or_default()
    }

    #[test]
    fn rounds_a_half_to_even() {
        for (value, places, expected) in [
            ("2.345", 2, "2.34"),
            ("2.355", 2, "2.36"),
            ("2.345001", 2, "2.35"),
            ("-2.345", 2, "-2.34"),
            ("-2.355", 2, "-2.36"),
            ("0.5", 0, "0"),
            ("1.5", 0, "2"),
            ("7.123456", 6, "7.123456"),
        ] {
            assert_eq!(round_half_even(amount(value), places), Ok(amount(expected)));
        }
        assert!(round_half_even(amount("1"), 7).is_err());
        assert!(round_half_even(amount("1"), -1).is_err());
    }

    #[test]
    fn computes_the_tax() {
        assert_eq!(
            vat_on_net(amount("19.99"), amount("19")),
            Ok(in_cents("3.80"))
        );
        assert_eq!(
            vat_on_net(amount("100"), amount("7.7")),
            Ok(in_cents("7.70"))
        );
        assert_eq!(
            vat_on_net(amount("-100"), amount("20")),
            Ok(in_cents("-20"))
        );
        assert_eq!(
            vat_in_gross(amount("119"), amount("19")),
            Ok(in_cents("19.00"))
        );
        assert_eq!(
            vat_in_gross(amount("10.99"), amount("7")),
            Ok(in_cents("0.72"))
        );
        assert_eq!(vat_on_net(Amount::MAX, amount("19")), Err(TOO_LARGE));
    }

    #[test]
    fn divides_without_a_loss() {
        let run = call!(allocate)
            .column([in_cents("100"), in_cents("-0.05"), in_cents("0")])
            .constant(3i64)
            .run();
        let parts = |texts: [&str; 3]| texts.map(in_cents).to_vec();
        let expected = vec![
            parts(["33.34", "33.33", "33.33"]),
            parts(["-0.02", "-0.02", "-0.01"]),
            parts(["0", "0", "0"]),
        ];
        assert_eq!(run, Ok(expected));
        assert_eq!(
            allocate_by(in_cents("0.05"), &[3, 7]),
            Ok(vec![in_cents("0.02"), in_cents("0.03")])
        );
        assert_eq!(
            allocate_by(in_cents("-1"), &[1, 0, 1, 1]),
            Ok(["-0.34", "0", "-0.33", "-0.33"].map(in_cents).to_vec())
        );
        assert!(allocate_by(in_cents("1"), &[]).is_err());
        assert!(allocate_by(in_cents("1"), &[2, -1]).is_err());
    }
}
