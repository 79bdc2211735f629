//! Frames between the kernel and a worker: a length (4 bytes, little endian) and JSON.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// No answer is larger; a length beyond it is not from a worker.
const LARGEST: u32 = 1 << 30;

/// Writes one frame.
pub fn write(to: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let body = serde_json::to_vec(value)?;
    let length = u32::try_from(body.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut frame = Vec::with_capacity(body.len() + 4);
    frame.extend(length.to_le_bytes());
    frame.extend(body);
    to.write_all(&frame)?;
    to.flush()
}

/// Reads one frame; `None` at the end.
pub fn read<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let length = u32::from_le_bytes(length);
    if length > LARGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut body = Vec::new();
    if from.take(length.into()).read_to_end(&mut body)? < length as usize {
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&body)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn frames_come_back_as_they_went() {
        let value = serde_json::json!({"id": 7, "text": "ünï\n"});
        let mut bytes = Vec::new();
        write(&mut bytes, &value).expect("written");
        write(&mut bytes, &Value::Null).expect("written");
        let mut rest = bytes.as_slice();
        assert_eq!(read(&mut rest).expect("read"), Some(value));
        assert_eq!(read(&mut rest).expect("read"), Some(Value::Null));
        assert_eq!(read::<Value>(&mut rest).expect("read"), None);
        assert_eq!(read::<Value>(&mut &bytes[..9]).expect("cut off"), None);
        assert!(read::<Value>(&mut [255, 255, 255, 255, 0].as_slice()).is_err());
        assert!(read::<Value>(&mut [1, 0, 0, 0, b'{'].as_slice()).is_err());
    }
}
