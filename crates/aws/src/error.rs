//! What a failed call means for the use case.
//!
//! EC2 models no errors, so everything hangs on the code (Amazon EC2 API Reference, "Error codes for the Amazon EC2
//! API"; Amazon SNS API Reference, "Publish" and "Common errors"). Codes are compared as they are sent: a code that is
//! not listed is [`ErrorKind::WrongType`], which nobody takes for success.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ec2::operation::RequestId as _;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use portcullis_remediation::{ErrorKind, ServiceError};

/// A failed call, with what only this room needs to know about it.
#[derive(Debug)]
pub(crate) struct CallError {
    /// What the use case sees.
    pub(crate) error: ServiceError,
    /// The service's error code.
    pub(crate) code: Option<String>,
    /// The service answered that this request is wrong (HTTP 4xx): another one may do better.
    pub(crate) refused: bool,
}

impl From<CallError> for ServiceError {
    fn from(failure: CallError) -> Self {
        failure.error
    }
}

/// Reads a failure of the SDK, after its own retries.
pub(crate) fn call_error<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> CallError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let code = error.code().map(str::to_owned);
    let status = error.raw_response().map(|raw| raw.status().as_u16());
    CallError {
        error: ServiceError::new(operation, error_kind(error), error_message(error)),
        refused: code.is_some() && status.is_some_and(|status| (400..500).contains(&status)),
        code,
    }
}

fn error_kind<E>(error: &SdkError<E, HttpResponse>) -> ErrorKind
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(_) => error.code().map_or(ErrorKind::Other, kind_from_code),
        // Nothing was heard, or something that ends in the middle: the call may have happened.
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => ErrorKind::NoAnswer,
        SdkError::DispatchFailure(sent) if !sent.is_user() && !lacks_credentials(error) => {
            ErrorKind::NoAnswer
        }
        SdkError::ConstructionFailure(_) | SdkError::DispatchFailure(_) | _ => ErrorKind::Other,
    }
}

/// The SDK files missing credentials under failures to send. Such a call surely did not happen.
fn lacks_credentials(error: &(dyn Error + 'static)) -> bool {
    error_chain(error).any(<dyn Error + 'static>::is::<CredentialsError>)
}

/// An error and what caused it, in words.
pub(crate) fn format_error_chain(error: &(dyn Error + 'static)) -> String {
    error_chain(error)
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// The error and what caused it, outermost first.
fn error_chain<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

fn kind_from_code(code: &str) -> ErrorKind {
    match code {
        "BandwidthLimitExceeded"
        | "EC2ThrottledException"
        | "KMSThrottling"
        | "KMSThrottlingException"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "SlowDown"
        | "Throttled"
        | "ThrottledException"
        | "Throttling"
        | "ThrottlingException"
        | "TooManyRequests"
        | "TooManyRequestsException" => ErrorKind::Throttled,
        "AccessDenied"
        | "AccessDeniedException"
        | "AuthFailure"
        | "AuthorizationError"
        | "AuthorizationErrorException"
        | "InvalidClientTokenId"
        | "KMSAccessDenied"
        | "KMSAccessDeniedException"
        | "OptInRequired"
        | "SignatureDoesNotMatch"
        | "UnauthorizedOperation"
        | "UnrecognizedClientException" => ErrorKind::Denied,
        "InvalidGroup.NotFound"
        | "InvalidGroupId.NotFound"
        | "InvalidSecurityGroupID.NotFound"
        | "InvalidSecurityGroupId.NotFound" => ErrorKind::GroupNotFound,
        "InvalidPermission.NotFound" | "InvalidSecurityGroupRuleId.NotFound" => {
            ErrorKind::RuleNotFound
        }
        _ => ErrorKind::Other,
    }
}

/// Code, message and request id as the service gave them; the chain of causes when it gave no code.
fn error_message<E>(error: &SdkError<E, HttpResponse>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let said = match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        (None, _) => format_error_chain(error),
    };
    match error.request_id() {
        Some(id) => format!("{said} (request id {id})"),
        None => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_apart() {
        for (code, kind) in [
            ("RequestLimitExceeded", ErrorKind::Throttled),
            ("EC2ThrottledException", ErrorKind::Throttled),
            ("Throttled", ErrorKind::Throttled),
            ("KMSThrottling", ErrorKind::Throttled),
            ("UnauthorizedOperation", ErrorKind::Denied),
            ("AuthFailure", ErrorKind::Denied),
            // Fresh keys help, so another attempt may: no denial.
            ("ExpiredToken", ErrorKind::Other),
            ("AuthorizationError", ErrorKind::Denied),
            ("KMSAccessDenied", ErrorKind::Denied),
            ("InvalidGroup.NotFound", ErrorKind::GroupNotFound),
            ("InvalidGroupId.NotFound", ErrorKind::GroupNotFound),
            ("InvalidPermission.NotFound", ErrorKind::RuleNotFound),
            (
                "InvalidSecurityGroupRuleId.NotFound",
                ErrorKind::RuleNotFound,
            ),
            ("InvalidGroupId.Malformed", ErrorKind::Other),
            ("DryRunOperation", ErrorKind::Other),
            ("InternalError", ErrorKind::Other),
            ("requestlimitexceeded", ErrorKind::Other),
            ("", ErrorKind::Other),
        ] {
            assert_eq!(kind_from_code(code), kind, "{code}");
        }
    }
}
