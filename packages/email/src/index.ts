export { createResend, type ResendOptions, resend, resendEnv } from './client.ts'
export {
  defineEmail,
  type EmailContext,
  type EmailProps,
  type EmailTemplate,
  type EmailTemplates,
} from './define.ts'
export { EmailError, type EmailErrorCode } from './errors.ts'
export { type OutboxMail, type OutboxOptions, outboxTransport } from './outbox.ts'
export { type RenderedEmail, renderEmail } from './render.ts'
export { type ResendTransportOptions, resendTransport } from './resend.ts'
export {
  createSender,
  emailEnv,
  type SendEmail,
  type Sender,
  type SenderOptions,
  type SendOptions,
  sendEmail,
} from './send.ts'
export { type BuiltInEmails, builtInEmails } from './templates/index.ts'
export type { Delivery, EmailMessage, Transport } from './transport.ts'
export { strangersWords, words } from './words.ts'
