# What the three clients do: a request from the command line, its reply to the screen.
require 'json'
require 'securerandom'

NAME = ENV.fetch('CALC_NAME', 'calc')
ID = SecureRandom.uuid

def param(text)
  JSON.parse(text)
rescue JSON::ParserError
  text
end

def request
  method, *params = ARGV.empty? ? %w[add 1 5.1] : ARGV
  JSON.generate({ jsonrpc: '2.0', method: method, params: params.map { |p| param(p) }, id: ID })
end

def show(message)
  reply = JSON.parse(message)
  abort 'that is the reply to another request' unless reply['id'] == ID
  abort "#{reply['error']['message']} (#{reply['error']['code']})" if reply['error']
  puts reply['result']
end
