# What the three servers do: the JSON of a request in, that of its reply out.
require 'json'

NAME = ENV.fetch('CALC_NAME', 'calc')
METHODS = { 'add' => ->(a, b) { a + b }, 'subtract' => ->(a, b) { a - b } }.freeze

def answer(message)
  request = JSON.parse(message)
  JSON.generate({ jsonrpc: '2.0', id: request['id'] }.merge(outcome(request['method'], request['params'])))
end

def outcome(method, params)
  return { error: { code: -32601, message: 'Method not found' } } unless METHODS.key?(method)
  return { error: { code: -32602, message: 'Invalid params' } } unless two_numbers?(params)

  { result: METHODS[method].call(*params) }
end

def two_numbers?(params)
  params.is_a?(Array) && params.size == 2 && params.all?(Numeric)
end
