"""URLs that let their bearer send or fetch one object, signed with the marketplace's own keys.

botocore binds headers into a signature, so that what may be sent is fixed: its length and its
SHA-256.  What `obstore` signs binds neither.
"""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import botocore.config
import botocore.exceptions
import botocore.session

from node3nb.errors import ConfigError

if TYPE_CHECKING:
    from obstore.store import S3Config, S3Credential

#: Region of stores that have none.
USUAL_REGION = "us-east-1"
_NO_KEYS = (
    "artifacts: no keys for the bucket were found; set AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE."
)


class Signer:
    """Signs for one bucket, with what the environment or the profile says.

    Parameters
    ----------
    bucket
        Its name.
    prefix
        What all names in it begin with.

    Raises
    ------
    ConfigError
        There are no keys, or the settings can't be read.
    """

    def __init__(self, bucket: str, prefix: str) -> None:
        self._bucket = bucket
        self._prefix = prefix
        try:
            session = botocore.session.Session()
            self._keys = session.get_credentials()
            region = session.get_config_variable("region") or USUAL_REGION
            self._client = session.create_client("s3", region_name=region, config=_CONFIG)
        except (botocore.exceptions.BotoCoreError, ValueError) as error:
            raise ConfigError(f"artifacts: the bucket's settings can't be used: {error}") from None
        if self._keys is None:
            raise ConfigError(_NO_KEYS)

    @property
    def place(self) -> S3Config:
        """Where the bucket is, in the words of `obstore`."""
        place: S3Config = {"region": str(self._client.meta.region_name)}
        endpoint = str(self._client.meta.endpoint_url)
        return place if endpoint.endswith(".amazonaws.com") else {**place, "endpoint": endpoint}

    def credentials(self) -> S3Credential:
        """Return the keys as they are now, in the words of `obstore`."""
        keys = self._keys.get_frozen_credentials()
        return {
            "access_key_id": keys.access_key,
            "secret_access_key": keys.secret_key,
            "token": keys.token,
            "expires_at": None,
        }

    def put(self, name: str, length: int, sha256: str, lasts: timedelta) -> str:
        """Return where a file of this length and SHA-256, in hex, may be sent with PUT.

        `headers` have to come with it.
        """
        bound = {"ContentLength": length, "ChecksumSHA256": _base64(sha256)}
        return self._url("put_object", name, lasts, **bound)

    @staticmethod
    def headers(sha256: str) -> dict[str, str]:
        """Return the headers, beside the length, that have to come with such a file."""
        return {"x-amz-checksum-sha256": _base64(sha256)}

    def get(self, name: str, lasts: timedelta) -> str:
        """Return where a file may be fetched."""
        return self._url("get_object", name, lasts)

    def vouched(self, name: str) -> tuple[int, str] | None:
        """Return the length and the SHA-256, in hex, of an object as the store checked them.

        None when it is not there.  The SHA-256 is empty when the store has none.

        Raises
        ------
        OSError
            The store does not answer.
        """
        try:
            told = self._client.head_object(
                Bucket=self._bucket, Key=self._key(name), ChecksumMode="ENABLED"
            )
        except botocore.exceptions.ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return None
            raise OSError(str(error)) from None
        except botocore.exceptions.BotoCoreError as error:
            raise OSError(str(error)) from None
        sha256 = base64.b64decode(told.get("ChecksumSHA256", "")).hex()
        return int(told["ContentLength"]), sha256

    def _url(self, call: str, name: str, lasts: timedelta, **bound: Any) -> str:
        params = {"Bucket": self._bucket, "Key": self._key(name), **bound}
        seconds = int(lasts.total_seconds())
        return str(self._client.generate_presigned_url(call, Params=params, ExpiresIn=seconds))

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}"


#: A store of one's own has seldom a name for every bucket; Amazon takes the path as well.
_CONFIG = botocore.config.Config(
    signature_version="s3v4",
    s3={"addressing_style": "path"},
    request_checksum_calculation="when_required",
    connect_timeout=10,
    read_timeout=30,
)


def _base64(sha256: str) -> str:
    return base64.b64encode(bytes.fromhex(sha256)).decode()
