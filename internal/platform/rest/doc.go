// Package rest is what all REST APIs of Quadrille do alike: requests are checked
// against the OpenAPI document, faults become problem documents (RFC 9457), rows
// have entity tags (RFC 9110) and lists have cursors; and every service answers
// for its health, metrics, documents, feed and subscriptions.
package rest
