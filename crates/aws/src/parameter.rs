//! Reading a text from the Parameter Store of AWS Systems Manager.

use aws_sdk_ssm::Client;
use portcullis_remediation::PortError;

use crate::error::failure;
use crate::read::odd;

const OPERATION: &str = "GetParameter";

/// The value of a parameter. `name` may end in a version or a label, `/portcullis/policy:4`.
///
/// # Errors
/// When it cannot be read.
pub(crate) async fn read(ssm: &Client, name: &str) -> Result<String, PortError> {
    let answer = ssm.get_parameter().name(name).with_decryption(true).send().await;
    let answer = answer.map_err(|error| failure(OPERATION, &error).error)?;
    let value = answer.parameter.and_then(|parameter| parameter.value);
    value.ok_or_else(|| odd(OPERATION, format!("{name} has no value")))
}
