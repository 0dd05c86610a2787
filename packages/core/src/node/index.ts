/**
 * Handlers of Web requests under `node:http`, Express and whatever else hands out Node's requests.
 *
 * @module
 */

export { type NodeHandlerOptions, toNodeHandler, type WebHandler } from './handler.ts'
