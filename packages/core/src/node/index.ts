/**
 * Runs handlers of Web requests under `node:http`, Express and any other server with Node's request objects.
 *
 * @module
 */

export {
  type HandlerOwner,
  type NodeHandlerOptions,
  toNodeHandler,
  type WebHandler,
} from './handler.ts'
