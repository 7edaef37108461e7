import { defineErrors } from '../base/errors.ts'

export const serverError = defineErrors({
  // The program and its folder.
  SERVER_BUSY: { kind: 'locked', hint: 'Another backup server runs on this data folder; stop it, or use it.' },
  SERVER_PORT_IN_USE: { kind: 'locked', hint: 'Choose another port, or stop the program that listens there.' },
  SERVER_ADDRESS_INVALID: { kind: 'invalid', hint: 'Give a host of this machine, such as 127.0.0.1, and a port that may be used.' },
  SERVER_CERTIFICATE_INVALID: { kind: 'invalid', hint: 'Give a certificate and its private key as PEM files, or none, to have them made.' },
  SERVER_DATA_INVALID: { kind: 'corrupt', hint: 'Restore the data folder of the server from a copy of its configuration.' },
  SERVER_DATA_NOT_EMPTY: { kind: 'conflict', hint: 'Give a folder that is empty, or does not exist.' },
  SERVER_COPY_NOT_FOUND: {
    kind: 'not-found',
    hint: 'Give another pool volume of the server; `terp pool list` shows what is in one. A server copies its configuration there after each change.',
  },
  SERVER_COPY_INVALID: { kind: 'corrupt', hint: 'Take an earlier copy (--copy), or one from another pool volume.' },
  SERVER_SECRET_UNREADABLE: {
    kind: 'corrupt',
    hint: 'Restore keys/catalog.key of the data folder from the copy that belongs to this catalog, or enter the secret anew.',
  },
  SERVER_STOPPING: { kind: 'unavailable', retry: 'later', hint: 'The server is stopping; try again when it runs.' },

  // Requests.
  API_REQUEST_INVALID: { kind: 'invalid', hint: 'Compare the request with the description of the API at /api/docs.' },
  API_ROUTE_NOT_FOUND: { kind: 'not-found', hint: 'Compare the path and the method with the description of the API at /api/docs.' },
  API_BODY_TOO_LARGE: { kind: 'invalid', hint: 'A request has at most 1 MiB.' },
  API_CONTENT_TYPE: { kind: 'invalid', hint: 'Send bodies as application/json.' },
  API_VERSION_REQUIRED: { kind: 'invalid', hint: 'Send If-Match with the ETag of what you read, so that nobody else’s change is lost.' },
  API_TOO_MANY_STREAMS: { kind: 'exhausted', retry: 'later', hint: 'End streams of events that nobody reads: each program needs one.' },
  API_KEY_REUSED: { kind: 'invalid', hint: 'Use a new idempotency key for a new request.' },
  API_KEY_RUNNING: {
    kind: 'conflict',
    retry: 'later',
    hint: 'The first request with this idempotency key is under way, or the server stopped during it: look at what it did.',
  },
})
