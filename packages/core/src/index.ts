export {
  ArgumentError,
  optional,
  requireDate,
  requireId,
  requireLimit,
  requireOptions,
  requireStorable,
  storable,
} from './arguments.ts'
export {
  amountProblem,
  amountStep,
  formatMoney,
  MAX_AMOUNT,
  majorUnits,
  maxAmount,
  minorDigits,
} from './currency.ts'
export * from './edge.ts'
export { canonicalEmail } from './email-address.ts'
export { type Environment, isProduction, readEnv, requireEnv } from './env.ts'
export { consoleLogger, createLogger, type Logger, type LogMethod } from './logger.ts'
export { mask, maskText } from './mask.ts'
export { objectWith } from './objects-with.ts'
export {
  aBoolean,
  aFunction,
  aListOfStrings,
  aNumber,
  aString,
  eitherOf,
  kind,
  listOf,
  type OptionKind,
  objectOf,
  oneOf,
  optionProblem,
  recordOf,
  required,
} from './option-kinds.ts'
export { monthsAfter } from './periods.ts'
export { isLoopback } from './url.ts'
