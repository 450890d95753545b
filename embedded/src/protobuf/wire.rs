//! The wire format of protocol buffers: tags, variable-length numbers and length-prefixed bytes. Knows no message.

use super::Malformed;

/// A value as the wire holds it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Wire<'a> {
    Number(u64),
    Fixed(u64),
    Bytes(&'a [u8]),
}

/// Reads the fields of one message.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    /// The next field's number and value; none at the end.
    pub(super) fn field(&mut self) -> Result<Option<(u32, Wire<'a>)>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.number()?;
        let number = u32::try_from(tag >> 3).map_err(|_| Malformed::Tag)?;
        let value = match tag & 7 {
            0 => Wire::Number(self.number()?),
            1 => Wire::Fixed(self.fixed(8)?),
            2 => {
                let length = usize::try_from(self.number()?).map_err(|_| Malformed::Short)?;
                Wire::Bytes(self.take(length)?)
            }
            5 => Wire::Fixed(self.fixed(4)?),
            _ => return Err(Malformed::Tag),
        };
        Ok(Some((number, value)))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Malformed::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn fixed(&mut self, length: usize) -> Result<u64, Malformed> {
        let bytes = self.take(length)?;
        Ok(bytes.iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte)))
    }

    fn number(&mut self) -> Result<u64, Malformed> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first().ok_or(Malformed::Short)?;
            self.rest = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Malformed::Tag)
    }
}

/// Writes a variable-length number.
fn number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        // The low seven bits fit.
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Writes a number under a field's number.
pub(super) fn write_number(out: &mut Vec<u8>, field: u32, value: u64) {
    number(out, u64::from(field) << 3);
    number(out, value);
}

/// Writes eight bytes under a field's number.
pub(super) fn write_fixed(out: &mut Vec<u8>, field: u32, value: u64) {
    number(out, u64::from(field) << 3 | 1);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Writes bytes, with their length, under a field's number.
pub(super) fn write_bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    number(out, u64::from(field) << 3 | 2);
    number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: Result<Vec<(u32, Wire<'_>)>, Malformed>) {
        let mut reader = Reader::new(bytes);
        let found: Result<Vec<_>, _> = std::iter::from_fn(|| reader.field().transpose()).collect();
        assert_eq!(found, expected, "{bytes:?}");
    }

    #[test]
    fn fields_are_read() {
        check(&[], Ok(vec![]));
        check(&[0x08, 0x96, 0x01], Ok(vec![(1, Wire::Number(150))]));
        check(&[0x12, 0x02, b'h', b'i', 0x18, 0x00], Ok(vec![(2, Wire::Bytes(b"hi")), (3, Wire::Number(0))]));
        check(&[0x09, 1, 0, 0, 0, 0, 0, 0, 0], Ok(vec![(1, Wire::Fixed(1))]));
        check(&[0x0d, 1, 1, 0, 0], Ok(vec![(1, Wire::Fixed(257))]));
        check(&[0x12, 0x05, b'h'], Err(Malformed::Short));
        check(&[0x08], Err(Malformed::Short));
        check(&[0x0b], Err(Malformed::Tag));
        check(&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], Err(Malformed::Tag));
    }

    #[test]
    fn what_is_written_is_read() {
        let mut out = Vec::new();
        write_number(&mut out, 1, u64::MAX);
        write_fixed(&mut out, 1000, 7);
        write_bytes(&mut out, 3, &[9; 300]);
        check(&out, Ok(vec![(1, Wire::Number(u64::MAX)), (1000, Wire::Fixed(7)), (3, Wire::Bytes(&[9; 300]))]));
    }
}
