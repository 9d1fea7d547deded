//! Reads a parameter from the Parameter Store of AWS Systems Manager.

use aws_sdk_ssm::Client;
use portcullis_remediation::ServiceError;

use crate::call::unexpected_response;
use crate::error::call_error;

const OPERATION: &str = "GetParameter";

/// The value of a parameter. `name` may end in a version or a label: `/portcullis/policy:4`.
///
/// # Errors
/// When the parameter cannot be read.
pub(crate) async fn read_parameter(ssm: &Client, name: &str) -> Result<String, ServiceError> {
    let output = ssm
        .get_parameter()
        .name(name)
        .with_decryption(true)
        .send()
        .await
        .map_err(|error| call_error(OPERATION, &error).error)?;
    output
        .parameter
        .and_then(|parameter| parameter.value)
        .ok_or_else(|| unexpected_response(OPERATION, format!("{name} has no value")))
}
