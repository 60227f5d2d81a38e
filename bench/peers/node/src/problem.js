// Problems (RFC 9457).

export class Problem extends Error {
  constructor(status, code, detail) {
    super(detail);
    this.statusCode = status;
    this.code = code;
  }
}

export function answerProblem(error, request, reply) {
  const status = error.validation ? 400 : (error.statusCode ?? 500);
  if (status >= 500) request.log.error(error);
  reply
    .code(status)
    .type('application/problem+json')
    .send({
      type: 'about:blank',
      title: status >= 500 ? 'Internal Server Error' : error.message,
      status,
      code: error.validation ? 'invalid_request' : (error.code ?? 'internal'),
      detail: status >= 500 ? 'something went wrong here' : error.message,
      correlationId: request.id,
    });
}
