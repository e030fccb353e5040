//! Exact comparison and divisibility of JSON numbers; it must never round a value to decide.

use std::cmp::Ordering;
use std::fmt::{self, Write};

use serde_json::Number;

/// The significand's bits of an IEEE 754 binary64 value, without the implicit one.
const SIGNIFICAND_BITS: u32 = 52;
/// Floats of this size and above stay floats: no `u64` or `i64` comes near them.
const LARGE: f64 = 1_267_650_600_228_229_401_496_703_205_376.0;

/// A number in the one form in which equal values are equal: 1.0 and 1 are both `Integer(1)`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Exact {
    Integer(i128),
    /// Not integral, or at least 2^100 away from zero.
    Float(f64),
}

impl Exact {
    pub(super) fn of(number: &Number) -> Exact {
        if let Some(value) = number.as_u64() {
            return Exact::Integer(i128::from(value));
        }
        if let Some(value) = number.as_i64() {
            return Exact::Integer(i128::from(value));
        }
        // A number of no machine type exists only with arbitrary precision: beyond all bounds.
        let value = number.as_f64().unwrap_or(f64::INFINITY);
        integral(value).map_or(Exact::Float(value), Exact::Integer)
    }

    /// Whether JSON Schema calls this an integer (validation, section 6.1.1).
    pub(super) fn is_integer(self) -> bool {
        match self {
            Exact::Integer(_) => true,
            Exact::Float(value) => value.fract() == 0.0,
        }
    }

    pub(super) fn compare(self, other: Exact) -> Ordering {
        match (self, other) {
            (Exact::Integer(left), Exact::Integer(right)) => left.cmp(&right),
            (Exact::Float(left), Exact::Float(right)) => left.total_cmp(&right),
            (Exact::Integer(left), Exact::Float(right)) => compare_mixed(left, right),
            (Exact::Float(left), Exact::Integer(right)) => compare_mixed(right, left).reverse(),
        }
    }

    /// A value for hashing that is the same for equal numbers.
    pub(super) fn fingerprint(self) -> (bool, i128) {
        match self {
            Exact::Integer(value) => (true, value),
            Exact::Float(value) => (false, i128::from(value.to_bits())),
        }
    }
}

/// An integer is never equal to a `Float`, which has a fraction or is out of its reach.
fn compare_mixed(integer: i128, float: f64) -> Ordering {
    match integral(float.floor()) {
        Some(floor) if integer <= floor => Ordering::Less,
        Some(_) => Ordering::Greater,
        None if float > 0.0 => Ordering::Less,
        None => Ordering::Greater,
    }
}

/// The float as an integer, read from its bits, if it is one and smaller than `LARGE`.
fn integral(value: f64) -> Option<i128> {
    if value == 0.0 {
        return Some(0);
    }
    if value.fract() != 0.0 || value.abs() >= LARGE {
        return None;
    }
    let bits = value.to_bits();
    let hidden = 1u64 << SIGNIFICAND_BITS;
    let significand = i128::from((bits & (hidden - 1)) | hidden);
    let biased = u32::try_from((bits >> SIGNIFICAND_BITS) & 0x7ff).ok()?;
    let zero_shift = 1023 + SIGNIFICAND_BITS;
    let magnitude = if biased >= zero_shift {
        significand.checked_shl(biased - zero_shift)?
    } else {
        significand.checked_shr(zero_shift - biased)?
    };
    Some(if value < 0.0 { -magnitude } else { magnitude })
}

/// A magnitude as `digits` times a power of ten: what the shortest JSON text of the number says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decimal {
    digits: u64,
    exponent: i32,
}

impl Decimal {
    /// The magnitude of a number; `None` only for a number no machine type holds.
    pub(super) fn of(number: &Number) -> Option<Decimal> {
        if let Some(digits) = number.as_u64() {
            return Some(Decimal { digits, exponent: 0 });
        }
        if let Some(value) = number.as_i64() {
            return Some(Decimal { digits: value.unsigned_abs(), exponent: 0 });
        }
        let mut text = Scientific::default();
        write!(text, "{:e}", number.as_f64()?.abs()).ok()?;
        text.decimal()
    }

    pub(super) fn is_zero(self) -> bool {
        self.digits == 0
    }

    /// Whether this is an integral multiple of `step`, in decimal arithmetic, in O(log exponent).
    pub(super) fn is_multiple_of(self, step: Decimal) -> bool {
        if self.digits == 0 || step.digits == 0 {
            return self.digits == 0;
        }
        let shift = i64::from(self.exponent) - i64::from(step.exponent);
        let modulus = u128::from(step.digits);
        if let Ok(shift) = u32::try_from(shift) {
            let reduced = u128::from(self.digits) % modulus;
            return (reduced * power_of_ten(shift, modulus)).is_multiple_of(modulus);
        }
        // A divisor too large for 128 bits is larger than any significand.
        u32::try_from(shift.unsigned_abs())
            .ok()
            .and_then(|shift| 10u128.checked_pow(shift))
            .and_then(|scale| scale.checked_mul(modulus))
            .is_some_and(|divisor| u128::from(self.digits).is_multiple_of(divisor))
    }
}

/// 10^exponent mod modulus; the modulus is below 2^64, so that no product overflows.
fn power_of_ten(mut exponent: u32, modulus: u128) -> u128 {
    let (mut result, mut base) = (1 % modulus, 10 % modulus);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = result * base % modulus;
        }
        base = base * base % modulus;
        exponent >>= 1;
    }
    result
}

/// Reads the scientific notation of a float as it is written, without a buffer.
#[derive(Default)]
struct Scientific {
    digits: u64,
    fraction_digits: i32,
    exponent: i32,
    negative_exponent: bool,
    part: Part,
}

#[derive(Default, PartialEq)]
enum Part {
    #[default]
    Whole,
    Fraction,
    Exponent,
}

impl Write for Scientific {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            match byte {
                b'.' => self.part = Part::Fraction,
                b'e' => self.part = Part::Exponent,
                b'-' => self.negative_exponent = true,
                b'0'..=b'9' => self.push(byte - b'0').ok_or(fmt::Error)?,
                _ => return Err(fmt::Error),
            }
        }
        Ok(())
    }
}

impl Scientific {
    fn push(&mut self, digit: u8) -> Option<()> {
        if self.part == Part::Exponent {
            self.exponent = self.exponent.checked_mul(10)?.checked_add(i32::from(digit))?;
            return Some(());
        }
        self.digits = self.digits.checked_mul(10)?.checked_add(u64::from(digit))?;
        if self.part == Part::Fraction {
            self.fraction_digits += 1;
        }
        Some(())
    }

    fn decimal(&self) -> Option<Decimal> {
        let exponent = if self.negative_exponent { -self.exponent } else { self.exponent };
        let exponent = exponent.checked_sub(self.fraction_digits)?;
        Some(Decimal { digits: self.digits, exponent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        serde_json::from_str(text).unwrap()
    }

    fn compare(left: &str, right: &str) -> Ordering {
        Exact::of(&number(left)).compare(Exact::of(&number(right)))
    }

    fn multiple(value: &str, step: &str) -> bool {
        Decimal::of(&number(value)).unwrap().is_multiple_of(Decimal::of(&number(step)).unwrap())
    }

    #[test]
    fn numbers_of_different_types_compare_exactly() {
        for (left, right, expected) in [
            ("1", "1.0", Ordering::Equal),
            ("-0.0", "0", Ordering::Equal),
            ("9007199254740993", "9007199254740992.0", Ordering::Greater),
            ("18446744073709551615", "18446744073709551616.0", Ordering::Less),
            ("18446744073709551615", "1e300", Ordering::Less),
            ("-9223372036854775808", "-9223372036854775808.0", Ordering::Equal),
            ("-9223372036854775808", "-1e19", Ordering::Greater),
            ("-1", "-0.5", Ordering::Less),
            ("0", "-0.5", Ordering::Greater),
            ("3", "3.5", Ordering::Less),
            ("4", "3.5", Ordering::Greater),
            ("0", "5e-324", Ordering::Less),
            ("1e308", "1.1e308", Ordering::Less),
        ] {
            assert_eq!(compare(left, right), expected, "{left} and {right}");
            assert_eq!(compare(right, left), expected.reverse(), "{right} and {left}");
        }
    }

    #[test]
    fn a_float_without_a_fraction_is_an_integer_at_every_size() {
        for (text, expected) in
            [("1.0", true), ("1e308", true), ("1.5", false), ("1e-300", false), ("-0.0", true)]
        {
            assert_eq!(Exact::of(&number(text)).is_integer(), expected, "{text}");
        }
    }

    #[test]
    fn multiples_are_judged_in_decimal() {
        for (value, step, expected) in [
            ("0.0075", "0.0001", true),
            ("0.00751", "0.0001", false),
            ("19.99", "0.01", true),
            ("19.995", "0.01", false),
            ("-4.35", "0.01", true),
            ("1e308", "0.5", true),
            ("1e308", "0.123456789", false),
            ("1e308", "1e-300", true),
            ("1e308", "5e-324", true),
            ("1e-300", "1e308", false),
            ("1e-300", "1e-300", true),
            ("1.5e-300", "1e-300", false),
            ("18446744073709551615", "5", true),
            ("18446744073709551615", "2", false),
            ("-9223372036854775808", "2", true),
            ("0", "1e-300", true),
            ("0.0", "7", true),
            ("7", "1e20", false),
            ("3e20", "1e20", true),
        ] {
            assert_eq!(multiple(value, step), expected, "{value} by {step}");
        }
    }
}
