//! Reading a text from the Parameter Store of AWS Systems Manager.

use aws_sdk_ssm::Client;
use portcullis_remediation::ServiceError;

use crate::error::call_error;
use crate::read::unexpected_response;

const OPERATION: &str = "GetParameter";

/// The value of a parameter. `name` may end in a version or a label, `/portcullis/policy:4`.
///
/// # Errors
/// When it cannot be read.
pub(crate) async fn read_parameter(ssm: &Client, name: &str) -> Result<String, ServiceError> {
    let answer = ssm
        .get_parameter()
        .name(name)
        .with_decryption(true)
        .send()
        .await;
    let answer = answer.map_err(|error| call_error(OPERATION, &error).error)?;
    let value = answer.parameter.and_then(|parameter| parameter.value);
    value.ok_or_else(|| unexpected_response(OPERATION, format!("{name} has no value")))
}
