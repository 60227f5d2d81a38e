//! Rows as they come when they are many: one row with an array of each column, read in place. To make a value of its own of each
//! text takes longer than all else that is done with a list.

use bytes::Buf;
use sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

/// Why an array cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("it is no array of one dimension with values of this type, as Postgres sends it")]
struct Malformed;

/// A column from its first value on (`array_send` of Postgres: the number of dimensions, flags, the type of the values, length
/// and lower bound of each dimension, and then each value behind its length, which is -1 for null).
#[derive(Debug)]
pub(super) struct Column<'row> {
    name: &'static str,
    rows: usize,
    left: &'row [u8],
}

impl<'row> Column<'row> {
    pub(super) fn of(row: &'row PgRow, name: &'static str) -> Result<Self, sqlx::Error> {
        let bytes = row.try_get_raw(name)?.as_bytes().map_err(|source| error(name, source))?;
        Self::begin(name, bytes).map_err(|malformed| error(name, malformed.into()))
    }

    fn begin(name: &'static str, mut left: &'row [u8]) -> Result<Self, Malformed> {
        let dimensions = left.try_get_i32().map_err(|_| Malformed)?;
        left.try_get_u64().map_err(|_| Malformed)?;
        let rows = match dimensions {
            0 => 0,
            1 => {
                let rows = left.try_get_i32().map_err(|_| Malformed)?;
                left.try_get_i32().map_err(|_| Malformed)?;
                // Each has a length at least.
                usize::try_from(rows).ok().filter(|rows| *rows <= left.len() / 4).ok_or(Malformed)?
            }
            _ => return Err(Malformed),
        };
        Ok(Self { name, rows, left })
    }

    /// How many values it has.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn id(&mut self) -> Result<Uuid, sqlx::Error> {
        self.some(|bytes| Uuid::from_slice(bytes).ok())
    }

    pub(super) fn is_true(&mut self) -> Result<bool, sqlx::Error> {
        self.some(|bytes| <[u8; 1]>::try_from(bytes).ok().map(|[byte]| byte != 0))
    }

    pub(super) fn text(&mut self) -> Result<&'row str, sqlx::Error> {
        self.some(|bytes| str::from_utf8(bytes).ok())
    }

    pub(super) fn text_or_null(&mut self) -> Result<Option<&'row str>, sqlx::Error> {
        self.next(|bytes| str::from_utf8(bytes).ok())
    }

    pub(super) fn number_or_null(&mut self) -> Result<Option<i64>, sqlx::Error> {
        self.next(|bytes| bytes.try_into().ok().map(i64::from_be_bytes))
    }

    fn some<T>(&mut self, read: impl FnOnce(&'row [u8]) -> Option<T>) -> Result<T, sqlx::Error> {
        self.next(read)?.ok_or_else(|| error(self.name, Malformed.into()))
    }

    fn next<T>(&mut self, read: impl FnOnce(&'row [u8]) -> Option<T>) -> Result<Option<T>, sqlx::Error> {
        let cell = self.cell().and_then(|cell| cell.map(|bytes| read(bytes).ok_or(Malformed)).transpose());
        cell.map_err(|malformed| error(self.name, malformed.into()))
    }

    fn cell(&mut self) -> Result<Option<&'row [u8]>, Malformed> {
        let length = self.left.try_get_i32().map_err(|_| Malformed)?;
        if length == -1 {
            return Ok(None);
        }
        let length = usize::try_from(length).map_err(|_| Malformed)?;
        let (cell, left) = self.left.split_at_checked(length).ok_or(Malformed)?;
        self.left = left;
        Ok(Some(cell))
    }
}

fn error(name: &str, source: sqlx::error::BoxDynError) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: name.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use bytes::BufMut;
    use proptest::prelude::*;

    use super::*;

    /// As Postgres sends an array of one dimension, or an empty one.
    fn array(cells: &[Option<Vec<u8>>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.put_i32(i32::from(!cells.is_empty()));
        bytes.put_i32(1);
        bytes.put_u32(25);
        if !cells.is_empty() {
            bytes.put_i32(i32::try_from(cells.len()).unwrap());
            bytes.put_i32(1);
        }
        for cell in cells {
            bytes.put_i32(cell.as_ref().map_or(-1, |cell| i32::try_from(cell.len()).unwrap()));
            bytes.extend(cell.iter().flatten());
        }
        bytes
    }

    proptest! {
        #[test]
        fn what_is_in_an_array_comes_out_of_it(cells in proptest::collection::vec(any::<Option<String>>(), 0..20)) {
            let sent: Vec<_> = cells.iter().map(|cell| cell.clone().map(String::into_bytes)).collect();
            let bytes = array(&sent);
            let mut column = Column::begin("names", &bytes).unwrap();
            prop_assert_eq!(column.rows(), cells.len());
            for cell in &cells {
                prop_assert_eq!(column.text_or_null().unwrap(), cell.as_deref());
            }
            prop_assert!(column.text_or_null().is_err());
        }

        #[test]
        fn what_is_no_array_is_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(mut column) = Column::begin("names", &bytes) {
                while column.left.len() > 3 && column.text_or_null().is_ok() {}
            }
        }
    }

    #[test]
    fn values_have_their_type() {
        let id = Uuid::now_v7();
        let cells = [vec![1], id.as_bytes().to_vec(), 7_i64.to_be_bytes().to_vec(), b"mug".to_vec()];
        let bytes = array(&cells.map(Some));
        let mut column = Column::begin("values", &bytes).unwrap();
        assert!(column.is_true().unwrap());
        assert_eq!(column.id().unwrap(), id);
        assert_eq!(column.number_or_null().unwrap(), Some(7));
        assert_eq!(column.text().unwrap(), "mug");

        let bytes = array(&[None, Some(vec![1, 2])]);
        let column = || Column::begin("values", &bytes).unwrap();
        assert!(column().text().unwrap_err().to_string().contains("values"));
        for is_read in [
            |mut column: Column<'_>| column.id().is_ok(),
            |mut column: Column<'_>| column.is_true().is_ok(),
            |mut column: Column<'_>| column.number_or_null().is_ok(),
        ] {
            let mut column = column();
            assert!(column.text_or_null().unwrap().is_none());
            assert!(!is_read(column));
        }
        // Two dimensions.
        assert!(Column::begin("values", &[0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 25]).is_err());
    }
}
