//! Reads a parameter from the Parameter Store of AWS Systems Manager.

use aws_sdk_ssm::Client;
use portcullis_remediation::ServiceError;

use crate::call::unexpected_response;
use crate::error::call_error;

const OPERATION: &str = "GetParameter";

/// A parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// The value.
    pub value: String,
    /// The version, counted from one; `None` if Systems Manager does not return it.
    pub version: Option<i64>,
}

/// Reads a parameter. `name` may end in a version or a label: `/portcullis/policy:4`.
///
/// # Errors
/// When the parameter cannot be read.
pub(crate) async fn read_parameter(ssm: &Client, name: &str) -> Result<Parameter, ServiceError> {
    let output = ssm
        .get_parameter()
        .name(name)
        .with_decryption(true)
        .send()
        .await
        .map_err(|error| call_error(OPERATION, &error).error)?;
    output
        .parameter
        .and_then(|parameter| {
            Some(Parameter {
                value: parameter.value?,
                version: Some(parameter.version).filter(|version| *version > 0),
            })
        })
        .ok_or_else(|| unexpected_response(OPERATION, format!("{name} has no value")))
}
