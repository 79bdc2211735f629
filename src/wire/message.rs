//! One message: from ZeroMQ frames to JSON and back.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::Signer;

/// The version of the messaging protocol that the kernel speaks.
pub const PROTOCOL_VERSION: &str = "5.5";

const DELIMITER: &[u8] = b"<IDS|MSG>";

/// Why a message was not understood.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// No `<IDS|MSG>` frame.
    #[error("no <IDS|MSG> frame")]
    NoDelimiter,
    /// Fewer frames after the delimiter than signature, header, parent, metadata and content.
    #[error("{0} frames after <IDS|MSG>, expected at least 5")]
    TooShort(usize),
    /// The signature does not match the frames.
    #[error("wrong signature")]
    BadSignature,
    /// A frame is not the JSON that it should be.
    #[error("the {part} is not what it should be: {source}")]
    BadJson {
        /// Name of the frame: `header`, `content`, ….
        part: &'static str,
        /// Message of the JSON parser.
        source: serde_json::Error,
    },
}

/// A message's header. Fields that this version of the protocol does not know are kept, to be sent back in the
/// replies' `parent_header`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Header {
    /// Unique among all messages.
    pub msg_id: String,
    /// Type of the message: `execute_request`, ….
    pub msg_type: String,
    /// The sender's session, one per process.
    #[serde(default)]
    pub session: String,
    /// The sender's user.
    #[serde(default)]
    pub username: String,
    /// Time of creation in ISO 8601.
    #[serde(default)]
    pub date: String,
    /// The protocol's version that the sender speaks.
    #[serde(default)]
    pub version: Cow<'static, str>,
    /// Everything else: `subshell_id`, …
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl Header {
    /// The header of a new message.
    pub fn new(msg_type: &str, session: &str) -> Self {
        Self {
            msg_id: Uuid::new_v4().to_string(),
            msg_type: msg_type.to_owned(),
            session: session.to_owned(),
            username: "warpbook".to_owned(),
            date: chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
            version: Cow::Borrowed(PROTOCOL_VERSION),
            more: Map::new(),
        }
    }
}

/// A message of any channel.
#[derive(Clone, Debug)]
pub struct Message {
    /// Routing frames of ROUTER sockets; the topic on iopub.
    pub identities: Vec<Bytes>,
    /// Identity and type of the message.
    pub header: Header,
    /// The header of the message that this one answers; an empty object if there is none.
    pub parent_header: Value,
    /// The sender's metadata; most message types have none.
    pub metadata: Value,
    /// What the message type asks for.
    pub content: Value,
    /// Raw data behind the content.
    pub buffers: Vec<Bytes>,
}

impl Message {
    /// Reads a message from its frames and checks its signature.
    pub fn decode(mut frames: Vec<Bytes>, signer: &Signer) -> Result<Self, WireError> {
        let delimiter = frames.iter().position(|frame| frame == DELIMITER).ok_or(WireError::NoDelimiter)?;
        let mut rest = frames.split_off(delimiter + 1);
        let identities = frames.into_iter().take(delimiter).collect();
        let [signature, header, parent, metadata, content, ..] = rest.as_slice() else {
            return Err(WireError::TooShort(rest.len()));
        };
        if !signer.verify([header, parent, metadata, content].map(|frame| frame.as_ref()), signature) {
            return Err(WireError::BadSignature);
        }
        Ok(Self {
            identities,
            header: json("header", header)?,
            parent_header: json("parent header", parent)?,
            metadata: json("metadata", metadata)?,
            content: json("content", content)?,
            buffers: rest.split_off(5),
        })
    }

    /// Writes the message as frames, signed.
    pub fn encode(&self, signer: &Signer) -> Result<Vec<Bytes>, WireError> {
        let parts = [
            bytes("header", &self.header)?,
            bytes("parent header", &self.parent_header)?,
            bytes("metadata", &self.metadata)?,
            bytes("content", &self.content)?,
        ];
        let signature = signer.sign(parts.iter().map(|part| part.as_ref()));
        let mut frames = self.identities.clone();
        frames.push(Bytes::from_static(DELIMITER));
        frames.push(signature.into());
        frames.extend(parts);
        frames.extend(self.buffers.iter().cloned());
        Ok(frames)
    }
}

fn json<T: serde::de::DeserializeOwned>(part: &'static str, frame: &Bytes) -> Result<T, WireError> {
    serde_json::from_slice(frame).map_err(|source| WireError::BadJson { part, source })
}

fn bytes(part: &'static str, value: &impl Serialize) -> Result<Bytes, WireError> {
    serde_json::to_vec(value).map(Bytes::from).map_err(|source| WireError::BadJson { part, source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn message() -> Message {
        Message {
            identities: vec![Bytes::from_static(b"client")],
            header: Header::new("execute_request", "s"),
            parent_header: json!({}),
            metadata: json!({}),
            content: json!({"code": "1"}),
            buffers: vec![Bytes::from_static(b"raw")],
        }
    }

    #[test]
    fn a_message_survives_its_frames() {
        let signer = Signer::new("key");
        let sent = message();
        let received = Message::decode(sent.encode(&signer).expect("encodes"), &signer).expect("decodes");
        assert_eq!(received.identities, sent.identities);
        assert_eq!(received.header.msg_id, sent.header.msg_id);
        assert_eq!(received.content, sent.content);
        assert_eq!(received.buffers, sent.buffers);
    }

    #[test]
    fn unknown_header_fields_are_kept() {
        let header: Header = serde_json::from_value(json!({"msg_id": "1", "msg_type": "x", "subshell_id": "s"}))
            .expect("a header with little in it");
        assert_eq!(serde_json::to_value(header).expect("json")["subshell_id"], "s");
    }

    #[test]
    fn broken_frames_are_told_apart() {
        let signer = Signer::new("key");
        let good = message().encode(&signer).expect("encodes");
        let decode = |frames: Vec<Bytes>| Message::decode(frames, &signer);
        assert!(matches!(decode(vec![]), Err(WireError::NoDelimiter)));
        assert!(matches!(decode(good[..4].to_vec()), Err(WireError::TooShort(2))));
        let mut unsigned = good.clone();
        unsigned[2] = Bytes::new();
        assert!(matches!(decode(unsigned), Err(WireError::BadSignature)));
        let mut changed = good.clone();
        changed[6] = Bytes::from_static(b"{\"code\": \"2\"}");
        assert!(matches!(decode(changed), Err(WireError::BadSignature)));
        let mut garbage = good;
        garbage[3] = Bytes::from_static(b"\xff{");
        let signature = signer.sign(garbage[3..7].iter().map(|frame| frame.as_ref()));
        garbage[2] = signature.into();
        assert!(matches!(decode(garbage), Err(WireError::BadJson { part: "header", .. })));
    }
}
