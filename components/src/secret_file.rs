//! A value of a Secret that a program of others reads from a file: variables are handed on to whatever it starts, and are
//! told by much that looks at a container.
//!
//! The file is what the Secret held when the container started, so that a program and its probes go by the same value: a
//! Secret of somebody else that changes meanwhile changes nothing, and one of the stack replaces the pods.

use k8s_openapi::api::core::v1::{KeyToPath, SecretVolumeSource, Volume, VolumeMount};

use crate::model::SecretKey;

/// The name of the volume.
const VOLUME: &str = "secret";
/// Where the file is.
const DIRECTORY: &str = "/etc/secret";
/// Who may read it: root, and the group that the volumes of the pod belong to.
const MODE: i32 = 0o440;

/// A value of a Secret, as a file.
#[derive(Debug, Clone)]
pub(crate) struct SecretFile {
    from: SecretKey,
    name: &'static str,
}

impl SecretFile {
    /// The value at a key, in a file of this name.
    pub(crate) fn new(from: &SecretKey, name: &'static str) -> Self {
        Self { from: from.clone(), name }
    }

    /// Where a container has it.
    pub(crate) fn path(&self) -> String {
        format!("{DIRECTORY}/{}", self.name)
    }

    /// The volume of a pod with the file.
    pub(crate) fn volume(&self) -> Volume {
        let item = KeyToPath { key: self.from.key.to_string(), path: self.name.to_owned(), mode: None };
        Volume {
            name: VOLUME.to_owned(),
            secret: Some(SecretVolumeSource {
                secret_name: Some(self.from.secret.to_string()),
                items: Some(vec![item]),
                default_mode: Some(MODE),
                optional: None,
            }),
            ..Volume::default()
        }
    }

    /// What puts it into a container. A single file, unlike a directory, stays as it was when the container started.
    pub(crate) fn mount(&self) -> VolumeMount {
        VolumeMount {
            name: VOLUME.to_owned(),
            mount_path: self.path(),
            sub_path: Some(self.name.to_owned()),
            read_only: Some(true),
            ..VolumeMount::default()
        }
    }
}
