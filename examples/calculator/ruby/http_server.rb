# Requests are posted to /calc.
require 'webrick'
require_relative 'calculator'

$stdout.sync = true
port = ENV.fetch('PORT', '4567')
ready = -> { puts "serving POST /#{NAME} on port #{port}" }
server = WEBrick::HTTPServer.new(Port: port.to_i, StartCallback: ready, AccessLog: [], Logger: WEBrick::Log.new(File::NULL))
server.mount_proc("/#{NAME}") do |request, response|
  response.content_type = 'application/json'
  response.body = answer(request.body)
end
trap('TERM') { server.shutdown }
server.start
