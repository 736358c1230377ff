# Requests come from the queue calc, replies go to the queues that the requests name.
require 'bunny'
require_relative 'calculator'

$stdout.sync = true
# A slash at the end would name the virtual host "".
connection = Bunny.new(ENV.fetch('AMQP_URL', 'amqp://guest:guest@localhost:5672').chomp('/')).start
channel = connection.create_channel
queue = channel.queue(NAME)
queue.subscribe do |_delivery, properties, message|
  channel.default_exchange.publish(
    answer(message), routing_key: properties.reply_to, correlation_id: properties.correlation_id
  )
end
puts "serving the RabbitMQ queue #{NAME}"
sleep
