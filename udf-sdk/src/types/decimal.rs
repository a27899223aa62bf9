//! Decimal numbers.

use core::fmt;

use crate::data_type::DataType;
use crate::value::{Element, Fixed};

/// A decimal number of `P` digits, of which `S` follow the point: SQL's `DECIMAL(P, S)`.
///
/// Kept as a whole number of the last digit's unit: 12.34 as `Decimal<10, 2>` is 1234.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal<const P: u8, const S: i8>(i128);

impl<const P: u8, const S: i8> Decimal<P, S> {
    /// The largest value: `P` nines. Its negative is the smallest.
    pub const MAX: Self = {
        assert!(P >= 1 && P <= 38, "a decimal has 1 to 38 digits");
        assert!(
            S <= P as i8,
            "a decimal has no more digits behind the point than in all"
        );
        Decimal(10i128.pow(P as u32) - 1)
    };

    /// The decimal of so many units of the last digit, if it has no more than `P` digits.
    pub const fn new(unscaled: i128) -> Option<Self> {
        if unscaled > Self::MAX.0 || unscaled < -Self::MAX.0 {
            None
        } else {
            Some(Decimal(unscaled))
        }
    }

    /// How many units of the last digit it is.
    pub const fn unscaled(self) -> i128 {
        self.0
    }

    /// The nearest decimal with `T` digits behind the point, and of two the even one, as banks round; nothing if it has more than `Q` digits.
    #[inline]
    pub fn round_half_even<const Q: u8, const T: i8>(self) -> Option<Decimal<Q, T>> {
        let unit = const {
            assert!(T <= S, "rounding does not add digits behind the point");
            10i128.pow((S as i32 - T as i32) as u32)
        };
        // Most amounts fit 64 bits, which processors divide by a constant in no time.
        match (i64::try_from(self.0), i64::try_from(unit)) {
            (Ok(value), Ok(unit)) => Decimal::new(divide_half_even_64(value, unit).into()),
            _ => Decimal::new(divide_half_even(self.0, unit)),
        }
    }
}

macro_rules! divide_half_even {
    ($($name:ident: $int:ty;)*) => {$(
        /// The quotient, rounded half to even. The divisor is a positive power of ten.
        #[inline(always)]
        fn $name(dividend: $int, divisor: $int) -> $int {
            let (quotient, rest) = (dividend.div_euclid(divisor), dividend.rem_euclid(divisor));
            // No product, which could be too large.
            let other = divisor - rest;
            let up = rest > other || rest == other && quotient % 2 != 0;
            quotient + <$int>::from(up)
        }
    )*};
}

divide_half_even! {
    divide_half_even: i128;
    divide_half_even_64: i64;
}

impl<const P: u8, const S: i8> fmt::Display for Decimal<P, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let digits = self.0.unsigned_abs();
        if S <= 0 {
            return write!(
                f,
                "{sign}{digits}{:0>zeros$}",
                "",
                zeros = usize::from(S.unsigned_abs())
            );
        }
        let unit = 10u128.pow(u32::from(S.unsigned_abs()));
        let places = usize::from(S.unsigned_abs());
        write!(f, "{sign}{}.{:0>places$}", digits / unit, digits % unit)
    }
}

// SAFETY: an `i128`, as Arrow lays out a Decimal128.
unsafe impl<const P: u8, const S: i8> Fixed for Decimal<P, S> {
    const TYPE: DataType = DataType::Decimal128(P, S);
}

impl<const P: u8, const S: i8> Element for Decimal<P, S> {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn has_so_many_digits_and_no_more() {
        assert_eq!(Decimal::<3, 1>::new(999), Some(Decimal(999)));
        assert_eq!(Decimal::<3, 1>::new(1000), None);
        assert_eq!(Decimal::<3, 1>::new(-1000), None);
        assert_eq!(Decimal::<38, 0>::MAX.0.to_string(), "9".repeat(38));
    }

    #[test]
    fn rounds_halves_to_even_in_64_and_in_128_bits() {
        for large in [0, 10i128.pow(24)] {
            for (amount, rounded) in [
                (1_005_000, 100),
                (1_015_000, 102),
                (1_014_999, 101),
                (1_015_001, 102),
                (-1_005_000, -100),
                (-1_015_000, -102),
                (-1_015_001, -102),
                (0, 0),
            ] {
                let cents = Decimal::<38, 6>(large + amount).round_half_even::<38, 2>();
                assert_eq!(cents, Some(Decimal(large / 10_000 + rounded)));
            }
        }
        assert_eq!(Decimal::<3, 1>(995).round_half_even::<2, 0>(), None);
        assert_eq!(
            Decimal::<3, 1>(995).round_half_even::<3, 0>(),
            Some(Decimal(100))
        );
        let most = i128::from(i64::MAX);
        assert_eq!(
            Decimal::<38, 2>(most).round_half_even::<38, 1>(),
            Some(Decimal(most / 10 + 1))
        );
    }

    #[test]
    fn is_written_with_all_its_places() {
        assert_eq!(Decimal::<10, 2>(1205).to_string(), "12.05");
        assert_eq!(Decimal::<10, 2>(-5).to_string(), "-0.05");
        assert_eq!(Decimal::<10, 0>(-7).to_string(), "-7");
        assert_eq!(Decimal::<10, -3>(7).to_string(), "7000");
    }
}
