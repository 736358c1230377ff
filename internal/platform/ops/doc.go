// Package ops calls the endpoints that every service has for its operation:
// how far its readers are, what could not be handled, and what is to be read or
// published again. The command line and the audit speak to services by it, and
// services answer in its types: the contract is written down once, beside ops.yaml.
package ops
